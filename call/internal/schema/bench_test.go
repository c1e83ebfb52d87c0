package schema_test

import (
	"encoding/json"
	"testing"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

const (
	benchSchema = `{"type":"object","properties":{"path":{"type":"string","minLength":1,"maxLength":4096},"offset":{"type":"integer","minimum":0},
		"limit":{"type":"integer","minimum":1,"maximum":1048576},"follow":{"type":"boolean"},"mode":{"enum":["text","binary"]},"tags":{"type":"array","items":{"type":"string"},"maxItems":16}},
		"required":["path","offset","limit"],"additionalProperties":false}`
	benchValue = `{"path":"docs/wire/call.md","offset":0,"limit":65536,"follow":true,"mode":"text","tags":["draft","normative","numbered"]}`
)

func BenchmarkValidate(b *testing.B) {
	in := []byte(benchValue)
	scan := func(s interface {
		Scan(*jsontok.Scanner) (error, error)
	}) func(*testing.B) {
		return func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			var sc jsontok.Scanner
			for b.Loop() {
				sc.Reset(in)
				if invalid, err := s.Scan(&sc); invalid != nil || err != nil {
					b.Fatal(invalid, err)
				}
			}
		}
	}
	b.Run("scan", scan(compile(b, benchSchema)))
	b.Run("off", scan(compile(b, `true`)))
	b.Run("library", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		b.ReportAllocs()
		lib := newReference([]byte(benchSchema))
		for b.Loop() {
			var v any
			if json.Unmarshal(in, &v) != nil || lib.resolved.Validate(v) != nil {
				b.Fatal("invalid")
			}
		}
	})
}
