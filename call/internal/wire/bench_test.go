package wire_test

import (
	"strings"
	"testing"

	"github.com/alkdev/alknet/call/internal/schema"
	"github.com/alkdev/alknet/call/internal/wire"
)

// BenchmarkCall is what JSON costs both ends of a call together: the request is
// written and read with its schema, the output is validated and written, the answer
// is read. scripts/bench has the whole call.
func BenchmarkCall(b *testing.B) {
	const text = `{"type":"object","properties":{"data":{"type":"string"}},"required":["data"],"additionalProperties":false}`
	compiled, err := schema.Compile([]byte(text))
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64", 64}, {"4096", 4096}} {
		value := []byte(`{"data":"` + strings.Repeat("a", size.bytes) + `"}`)
		for _, with := range []struct {
			name   string
			schema *schema.Schema
		}{{"validated", compiled}, {"open", nil}} {
			b.Run(size.name+"/"+with.name, func(b *testing.B) { callJSON(b, value, with.schema) })
		}
	}
}

func callJSON(b *testing.B, value []byte, s *schema.Schema) {
	schemaOf := func(string) *schema.Schema { return s }
	var request, response []byte
	b.ReportAllocs()
	b.SetBytes(int64(2 * len(value)))
	for b.Loop() {
		request = wire.AppendRequest(request[:0], "abcdef-1x", "bench/echo", value, "", nil, 0)
		if _, _, ok := wire.Peek(request[4:]); !ok {
			b.Fatal("the request's type is not found")
		}
		r, err := wire.DecodeRequest(request[4:], schemaOf)
		if err != nil || r.Invalid != nil {
			b.Fatal(err, r.Invalid)
		}
		if err := s.Validate(r.Input); err != nil {
			b.Fatal(err)
		}
		response = wire.AppendResponse(response[:0], "abcdef-1x", r.Input)
		if _, _, ok := wire.Peek(response[4:]); !ok {
			b.Fatal("the answer's type is not found")
		}
		if a, err := wire.DecodeAnswer(response[4:]); err != nil || len(a.Output) != len(value) {
			b.Fatal(err, a)
		}
	}
}
