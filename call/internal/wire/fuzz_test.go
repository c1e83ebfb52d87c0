package wire_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/alkdev/alknet/call/internal/schema"
	"github.com/alkdev/alknet/call/internal/wire"
)

// FuzzFrames reads whatever comes as frames, and every frame as everything that
// one can be.
func FuzzFrames(f *testing.F) {
	for _, v := range vectors(f) {
		data, err := hex.DecodeString(v.Hex)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	s, err := schema.Compile([]byte(`{"type":"object","properties":{"a":{"type":"integer"}}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(data), 64)
		for {
			body, err := wire.ReadFrame(r, wire.MaxFrame, nil)
			if err != nil {
				return
			}
			e, err := wire.Decode(body)
			if typ, id, ok := wire.Peek(body); ok && err == nil && (typ != e.Type || string(id) != e.ID) {
				t.Errorf("Peek sees %v %q, Decode %v %q in %q", typ, id, e.Type, e.ID, body)
			}
			req, rerr := wire.DecodeRequest(body, func(string) *schema.Schema { return s })
			_, aerr := wire.DecodeAnswer(body)
			if (err == nil) != (rerr == nil) || (err == nil) != (aerr == nil) {
				t.Errorf("%q: envelope %v, request %v, answer %v", body, err, rerr, aerr)
			}
			if err != nil {
				continue
			}
			if !jsontext.Value(body).IsValid() {
				t.Errorf("taken and not JSON: %q", body)
			}
			wire.DecodeCredit(e.Payload)
			again := wire.AppendRequest(nil, e.ID, req.Operation, req.Input, req.Token, req.Forwarded, req.Window)
			if n := binary.BigEndian.Uint32(again); int(n) != len(again)-4 {
				t.Fatalf("length %d of %d bytes", n, len(again))
			}
			back, err := wire.DecodeRequest(again[4:], func(string) *schema.Schema { return s })
			if err != nil || back.Operation != req.Operation || back.Token != req.Token || !bytes.Equal(orNull(back.Input), orNull(req.Input)) {
				t.Errorf("%q became %q: %v", body, again, err)
			}
		}
	})
}

func orNull(b []byte) []byte {
	if b == nil {
		return []byte("null")
	}
	return b
}
