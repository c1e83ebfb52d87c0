package call_test

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// liar is a peer that answers each call with what say returns: the output, or
// nothing for NOT_FOUND. It returns a client of it, whose server is near.
func liar(t *testing.T, near *call.Server, say func(operation string, input map[string]any) string) *call.Client {
	t.Helper()
	client, server := coretest.Pair(call.ALPN)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			st, err := server.AcceptStream(t.Context())
			if err != nil {
				return
			}
			wg.Go(func() { lie(st, say) })
		}
	})
	c := call.NewClient(client, call.WithServer(near, nil))
	t.Cleanup(func() {
		c.Close()
		<-c.Done()
		wg.Wait()
	})
	return c
}

func lie(st core.Stream, say func(string, map[string]any) string) {
	defer st.CloseWrite()
	for {
		var length [4]byte
		if _, err := io.ReadFull(st, length[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(st, body); err != nil {
			return
		}
		var e struct {
			Type, ID string
			Payload  struct {
				OperationID string `json:"operationId"`
				Input       any
			}
		}
		if json.Unmarshal(body, &e) != nil || e.Type != "call.requested" {
			continue
		}
		input, _ := e.Payload.Input.(map[string]any)
		text := `{"type":"call.error","id":"` + e.ID + `","payload":{"code":"NOT_FOUND","message":"no","retryable":false}}`
		if out := say(strings.TrimPrefix(e.Payload.OperationID, "/"), input); out != "" {
			text = `{"type":"call.responded","id":"` + e.ID + `","payload":{"output":` + out + `}}`
		}
		st.Write(frame(text))
	}
}

// described is an answer of services/schema.
func described(name, more string) string {
	return `{"name":"` + name + `","namespace":"x","op_type":"query","visibility":"external",` + more +
		`"input_schema":{},"output_schema":{},"error_schemas":[],"access_control":{"required_scopes":[],"required_scopes_any":null,"resource_type":null,"resource_action":null}}`
}

func listing(names ...string) string {
	var entries []string
	for _, n := range names {
		entries = append(entries, `{"name":"`+n+`","namespace":"x","op_type":"query"}`)
	}
	return `{"operations":[` + strings.Join(entries, ",") + `]}`
}
