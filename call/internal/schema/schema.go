package schema

import (
	"errors"
	"fmt"
	"sync"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A Schema is a compiled schema. Nil accepts every value. It never changes
// and is safe for concurrent use.
type Schema struct{ root *node }

// An Error says where a value breaks its schema, and how.
type Error struct {
	Path   string // JSON Pointer (RFC 6901) to the part at fault; empty for the whole
	Reason string // "must be an integer"
}

func (e *Error) Error() string {
	if e.Path == "" {
		return "the value " + e.Reason
	}
	return e.Path + ": " + e.Reason
}

// A RemoteError reports a reference that leaves the schema. Nothing is ever
// fetched: put what is referred to into $defs.
type RemoteError struct{ Ref string }

func (e *RemoteError) Error() string {
	return fmt.Sprintf("$ref %.80q leads out of the schema, and nothing is fetched", e.Ref)
}

// ErrDialect is in the chain of an error about a schema whose $schema is not
// Draft 2020-12.
var ErrDialect = errors.New("only Draft 2020-12 of JSON Schema is known")

const dialect = "https://json-schema.org/draft/2020-12/schema"

// Compile turns a schema into a validator. Nothing, true and {} give nil.
// The error is for whoever wrote the schema.
func Compile(raw []byte) (*Schema, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	root, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	if s := root.get("$schema"); s != nil && s.text != dialect && s.text != dialect+"#" {
		return nil, fmt.Errorf("compile schema of %s: %w", excerpt(s.raw), ErrDialect)
	}
	doc, err := index(root)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	n, err := compile(doc)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w", err)
	}
	if n == nil {
		return nil, nil
	}
	return &Schema{root: n}, nil
}

// Scan consumes the next value of sc and validates it in the same pass.
// A syntax error is final for sc. A value that is JSON but breaks the schema
// is consumed completely, and invalid, an *Error, names its first fault.
func (s *Schema) Scan(sc *jsontok.Scanner) (invalid, syntax error) {
	if s == nil {
		_, err := sc.Skip()
		return nil, err
	}
	v := validation{sc: sc}
	fault := v.scan(s.root, nil)
	if v.exhausted != nil {
		fault = v.exhausted
	}
	if fault != nil {
		invalid = fault
	}
	return invalid, v.syntax
}

var scanners = sync.Pool{New: func() any { return new(jsontok.Scanner) }}

// Validate checks one complete value. The error is an *Error or a
// *jsontok.SyntaxError.
func (s *Schema) Validate(b []byte) error { return s.ValidateNested(b, 0) }

// ValidateNested is Validate for a value that will stand inside of n containers.
func (s *Schema) ValidateNested(b []byte, n int) error {
	if s == nil {
		return jsontok.ValidNested(b, n)
	}
	sc := scanners.Get().(*jsontok.Scanner)
	defer scanners.Put(sc)
	defer sc.Reset(nil)
	sc.Reset(b)
	sc.Nest(n)
	invalid, err := s.Scan(sc)
	if err != nil {
		return err
	}
	if err := sc.End(); err != nil {
		return err
	}
	return invalid
}
