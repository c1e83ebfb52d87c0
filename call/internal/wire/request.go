package wire

import (
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/alkdev/alknet/call/internal/jsontok"
	"github.com/alkdev/alknet/call/internal/schema"
)

var scanners = sync.Pool{New: func() any { return new(jsontok.Scanner) }}

func scanner(b []byte) *jsontok.Scanner {
	sc := scanners.Get().(*jsontok.Scanner)
	sc.Reset(b)
	return sc
}

func release(sc *jsontok.Scanner) {
	sc.Reset(nil)
	scanners.Put(sc)
}

// A Request is the payload of call.requested.
type Request struct {
	Operation string // without a leading slash
	Input     []byte // nil if there is none
	Invalid   error  // what the schema says of Input
	Token     string
	HasToken  bool   // also of another type than a string, which leaves Token empty
	Forwarded []byte // nil if there is none
	Window    int    // 0 if the caller gives no credit
}

// DecodeRequest checks all of a call.requested, and its input by the schema of
// its operation in the same pass.
func DecodeRequest(body []byte, schemaOf func(operation string) *schema.Schema) (Request, error) {
	sc := scanner(body)
	defer release(sc)
	var (
		r Request
		e Envelope
	)
	err := e.scan(sc, func() error { return r.scan(sc, schemaOf) })
	return r, err
}

func (r *Request) scan(sc *jsontok.Scanner, schemaOf func(string) *schema.Schema) error {
	if sc.Kind() != jsontok.Object {
		_, err := sc.Skip()
		return err
	}
	members, err := sc.Object()
	if err != nil {
		return err
	}
	var (
		named   bool
		checked = true
		s       *schema.Schema
	)
	for {
		name, ok, err := sc.Member(&members)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		switch kind := sc.Kind(); {
		case name.Is("operationId") && kind == jsontok.String:
			t, err := sc.Text()
			if err != nil {
				return err
			}
			r.Operation, named = strings.TrimPrefix(t.String(), "/"), true
			s = schemaOf(r.Operation)
		case name.Is("input"):
			from := sc.Offset()
			if checked = named; named {
				r.Invalid, err = s.Scan(sc)
			} else {
				_, err = sc.Skip()
			}
			if err != nil {
				return err
			}
			r.Input = sc.Bytes(from, sc.Offset())
		case name.Is("auth_token"):
			if r.HasToken = true; kind != jsontok.String {
				if _, err := sc.Skip(); err != nil {
					return err
				}
				continue
			}
			t, err := sc.Text()
			if err != nil {
				return err
			}
			r.Token = t.String()
		case name.Is("window") && kind == jsontok.Number:
			raw, err := sc.Skip()
			if err != nil {
				return err
			}
			r.Window = amount(raw)
		case name.Is("forwarded_for"):
			if r.Forwarded, err = sc.Skip(); err != nil {
				return err
			}
		default:
			if _, err := sc.Skip(); err != nil {
				return err
			}
		}
	}
	switch {
	case !named:
		s = schemaOf("")
		fallthrough
	case !checked:
		r.Invalid = s.Validate(orNull(r.Input))
	case r.Input == nil:
		r.Invalid = s.Validate(null)
	}
	return nil
}

var null = []byte("null")

func orNull(b []byte) []byte {
	if b == nil {
		return null
	}
	return b
}

// An Answer is what a callee sends.
type Answer struct {
	Type   Type
	Output []byte // of Responded; nil if there is none

	Code, Message string // of Error
	Retryable     bool
	Details       []byte // nil if there are none
	Decodable     bool   // the payload of an Error has a code
}

// DecodeAnswer checks all of an answer.
func DecodeAnswer(body []byte) (Answer, error) {
	sc := scanner(body)
	defer release(sc)
	if a, ok := quickAnswer(sc, body); ok {
		return a, nil
	}
	sc.Reset(body)
	var (
		a Answer
		e Envelope
	)
	err := e.scan(sc, func() error { return a.scan(sc) })
	a.Type = e.Type
	return a, err
}

const (
	output      = `{"output":`
	afterOutput = `}}`
)

// quickAnswer reads a call.responded in the form that this package writes: all
// but the output is known by comparison.
func quickAnswer(sc *jsontok.Scanner, body []byte) (Answer, bool) {
	t, _, at, ok := peek(body)
	if !ok || t != Responded || len(body) < at+len(output)+len(afterOutput) ||
		string(body[at:at+len(output)]) != output || string(body[len(body)-len(afterOutput):]) != afterOutput {
		return Answer{}, false
	}
	value := body[at+len(output) : len(body)-len(afterOutput)]
	sc.Reset(value)
	sc.Nest(2) // envelope and payload
	raw, err := sc.Skip()
	if err != nil || sc.End() != nil {
		return Answer{}, false
	}
	return Answer{Type: Responded, Output: raw}, true
}

func (a *Answer) scan(sc *jsontok.Scanner) error {
	if sc.Kind() != jsontok.Object {
		_, err := sc.Skip()
		return err
	}
	members, err := sc.Object()
	if err != nil {
		return err
	}
	for {
		name, ok, err := sc.Member(&members)
		if err != nil || !ok {
			return err
		}
		var t jsontok.Text
		switch kind := sc.Kind(); {
		case name.Is("output"):
			a.Output, err = sc.Skip()
		case name.Is("code") && kind == jsontok.String:
			t, err = sc.Text()
			a.Code, a.Decodable = t.String(), true
		case name.Is("message") && kind == jsontok.String:
			t, err = sc.Text()
			a.Message = t.String()
		case name.Is("retryable"):
			a.Retryable = kind == jsontok.True
			_, err = sc.Skip()
		case name.Is("details"):
			a.Details, err = sc.Skip()
		default:
			_, err = sc.Skip()
		}
		if err != nil {
			return err
		}
	}
}

// amount reads a number of bytes, at most MaxFrame; what is none is 0.
func amount(raw []byte) int {
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return int(min(n, MaxFrame))
}

// DecodeCredit is the number of bytes in the payload of a call.credit; 0 if
// there is none.
func DecodeCredit(payload []byte) int {
	sc := scanner(payload)
	defer release(sc)
	members, err := sc.Object()
	for err == nil {
		name, ok, merr := sc.Member(&members)
		if merr != nil || !ok {
			return 0
		}
		raw, serr := sc.Skip()
		if serr != nil {
			return 0
		}
		if name.Is("bytes") {
			return amount(raw)
		}
	}
	return 0
}
