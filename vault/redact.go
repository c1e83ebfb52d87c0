package vault

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

const redacted = "[REDACTED]"

// redaction is embedded in every type that holds a secret. Whatever prints the
// type (any fmt verb, slog, JSON) gets the label and nothing else.
type redaction struct{ label string }

// A sensitive is held by pointer, because the verb %p ignores Format and walks
// a struct, but does not follow pointers inside it.
type sensitive struct{ b []byte }

func keep(b []byte) *sensitive { return &sensitive{bytes.Clone(b)} }

func (s *sensitive) wipe() {
	if s != nil {
		clear(s.b)
		s.b = nil
	}
}

func (r redaction) text() string {
	if r.label == "" {
		return redacted
	}
	return r.label
}

func (r redaction) String() string               { return r.text() }
func (r redaction) GoString() string             { return r.text() }
func (r redaction) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, r.text()) }
func (r redaction) LogValue() slog.Value         { return slog.StringValue(r.text()) }
func (r redaction) MarshalText() ([]byte, error) { return []byte(r.text()), nil }
func (r redaction) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, r.text()), nil }
