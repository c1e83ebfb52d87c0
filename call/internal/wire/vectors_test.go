package wire_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/alkdev/alknet/call/internal/schema"
	"github.com/alkdev/alknet/call/internal/wire"
)

// A vector is what one direction of a stream carries: call/testdata/vectors.
type vector struct {
	Name, Section, Hex string
	Want               []struct {
		Type, ID, Payload string
		Request           *struct {
			Operation, Input string
			AuthToken        *string `json:"auth_token"`
			ForwardedFor     string  `json:"forwarded_for"`
			Window           int
		}
	}
	Error string
}

func vectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("../../testdata/vectors/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no vectors")
	}
	return all
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			data, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(bytes.NewReader(data))
			for i, want := range v.Want {
				body, err := wire.ReadFrame(r, wire.MaxFrame, nil)
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				e, err := wire.Decode(body)
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				if e.Type != typeNamed(want.Type) || e.ID != want.ID || string(e.Payload) != want.Payload {
					t.Errorf("frame %d: %v %q %s; want %s %q %s", i, e.Type, e.ID, e.Payload, want.Type, want.ID, want.Payload)
				}
				if typ, id, ok := wire.Peek(body); ok && (typ != e.Type || string(id) != e.ID) {
					t.Errorf("frame %d: Peek: %v %q", i, typ, id)
				}
				if want.Request == nil {
					continue
				}
				got, err := wire.DecodeRequest(body, func(string) *schema.Schema { return nil })
				if err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				token := ""
				if want.Request.AuthToken != nil {
					token = *want.Request.AuthToken
				}
				if got.Operation != want.Request.Operation || string(got.Input) != want.Request.Input || got.Token != token ||
					got.HasToken != (want.Request.AuthToken != nil) || string(got.Forwarded) != want.Request.ForwardedFor || got.Window != want.Request.Window {
					t.Errorf("frame %d: %+v; want %+v", i, got, *want.Request)
				}
			}
			if class := classOf(r); class != v.Error {
				t.Errorf("ends with %q, want %q (section %s)", class, v.Error, v.Section)
			}
		})
	}
}

// classOf is how the vectors name the outcome of reading one frame more.
func classOf(r *bufio.Reader) string {
	_, empty := r.Peek(1)
	body, err := wire.ReadFrame(r, wire.MaxFrame, nil)
	var length *wire.FrameError
	switch {
	case errors.As(err, &length):
		return "length"
	case err == io.EOF && empty == nil:
		return "truncated"
	case err == io.EOF:
		return ""
	case err != nil:
		return err.Error()
	}
	_, asAny := wire.Decode(body)
	_, asRequest := wire.DecodeRequest(body, func(string) *schema.Schema { return nil })
	_, asAnswer := wire.DecodeAnswer(body)
	if asAny != nil && asRequest != nil && asAnswer != nil {
		return "malformed"
	}
	return fmt.Sprintf("taken: envelope %v, request %v, answer %v", asAny, asRequest, asAnswer)
}

func typeNamed(name string) wire.Type {
	return map[string]wire.Type{
		"call.requested": wire.Requested, "call.responded": wire.Responded, "call.completed": wire.Completed,
		"call.aborted": wire.Aborted, "call.error": wire.Error, "call.credit": wire.Credit,
	}[name]
}

func TestVectorsInPython(t *testing.T) {
	out, err := exec.Command(need(t, "python3"), "../../testdata/vectors/check.py").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// need returns the path of a program; without it the test is skipped, or fails
// if ALKNET_INTEROP is "require".
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("ALKNET_INTEROP") == "require" {
		t.Fatalf("find %s: not installed; run scripts/bootstrap", name)
	}
	t.Skipf("find %s: not installed; run scripts/bootstrap", name)
	return ""
}
