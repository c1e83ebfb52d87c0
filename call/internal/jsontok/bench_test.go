package jsontok_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

func BenchmarkScanner(b *testing.B) {
	for name, in := range map[string]string{
		"envelope": `{"type":"call.requested","id":"3f9a2c71-0000-4000-8000-00000000001c","payload":{"operationId":"/files/readFile","input":{"path":"docs/wire/call.md","offset":0,"limit":65536,"follow":true}}}      `,
		"string":   `"` + strings.Repeat("The quick brown fox. ", 195) + `"`,
		"text":     `"` + strings.Repeat("Größe über 1 €. ", 205) + `"`,
		"members":  members(200),
	} {
		data := []byte(in)
		b.Run(name+"/jsontok", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var sc jsontok.Scanner
			for b.Loop() {
				sc.Reset(data)
				if _, err := sc.Skip(); err != nil || sc.End() != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/jsontext", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			var r bytes.Reader
			dec := jsontext.NewDecoder(&r)
			for b.Loop() {
				r.Reset(data)
				dec.Reset(&r)
				if _, err := dec.ReadValue(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/jsontext.Value", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if !jsontext.Value(data).IsValid() {
					b.Fatal("invalid")
				}
			}
		})
	}
}
