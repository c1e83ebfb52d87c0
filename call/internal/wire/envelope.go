package wire

import (
	"fmt"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

// A Type is an event.
type Type uint8

// The events. Unknown ones are to be ignored.
const (
	Unknown Type = iota
	Requested
	Responded
	Completed
	Aborted
	Error
	Credit
)

var names = [...]string{
	Requested: "call.requested", Responded: "call.responded", Completed: "call.completed",
	Aborted: "call.aborted", Error: "call.error", Credit: "call.credit",
}

// MaxID is the longest id, in bytes of its text.
const MaxID = 256

// An Envelope is a frame whose syntax has been checked.
type Envelope struct {
	Type    Type
	ID      string
	Payload []byte
}

// How envelopes begin that this package writes, the most frequent first.
var heads = [...]struct {
	begin string
	t     Type
}{
	{`{"type":"call.responded","id":"`, Responded},
	{`{"type":"call.requested","id":"`, Requested},
	{`{"type":"call.completed","id":"`, Completed},
	{`{"type":"call.error","id":"`, Error},
	{`{"type":"call.aborted","id":"`, Aborted},
	{`{"type":"call.credit","id":"`, Credit},
}

const beforePayload = `","payload":`

// Peek reads event and id of an envelope in the form that this package writes,
// without looking at the rest of it. It reports false for every other form.
func Peek(body []byte) (t Type, id []byte, ok bool) {
	t, id, _, ok = peek(body)
	return t, id, ok
}

// peek also returns where the payload begins.
func peek(body []byte) (t Type, id []byte, payload int, ok bool) {
	var begin string
	for _, h := range heads {
		if len(body) > len(h.begin) && string(body[:len(h.begin)]) == h.begin {
			t, begin = h.t, h.begin
			break
		}
	}
	if t == Unknown {
		return Unknown, nil, 0, false
	}
	rest := body[len(begin):]
	for i, c := range rest {
		switch {
		case c == '"':
			if len(rest)-i <= len(beforePayload) || string(rest[i:i+len(beforePayload)]) != beforePayload {
				return Unknown, nil, 0, false
			}
			return t, rest[:i], len(begin) + i + len(beforePayload), true
		case c < ' ' || c == '\\' || c >= 0x7f || i == MaxID:
			return Unknown, nil, 0, false
		}
	}
	return Unknown, nil, 0, false
}

// Decode checks all of an envelope.
func Decode(body []byte) (Envelope, error) {
	sc := scanner(body)
	defer release(sc)
	var e Envelope
	err := e.scan(sc, nil)
	return e, err
}

// scan reads an envelope; payload, if not nil, reads the payload, and the id is
// left out.
func (e *Envelope) scan(sc *jsontok.Scanner, payload func() error) error {
	var typ, id, pay bool
	members, err := sc.Object()
	if err != nil {
		return err
	}
	for {
		name, ok, err := sc.Member(&members)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		switch {
		case name.Is("type"):
			t, err := sc.Text()
			if err != nil {
				return err
			}
			e.Type, typ = Unknown, true
			for known := Requested; known <= Credit; known++ {
				if t.Is(names[known]) {
					e.Type = known
				}
			}
		case name.Is("id"):
			t, err := sc.Text()
			if err != nil {
				return err
			}
			if id = true; payload != nil && len(t.Raw()) <= MaxID {
				break // it is known
			}
			if e.ID = t.String(); len(e.ID) > MaxID {
				return fmt.Errorf("an id of %d bytes, more than %d", len(e.ID), MaxID)
			}
		case name.Is("payload"):
			pay = true
			sc.Kind() // past white space
			from := sc.Offset()
			if payload != nil {
				err = payload()
			} else {
				_, err = sc.Skip()
			}
			if err != nil {
				return err
			}
			e.Payload = sc.Bytes(from, sc.Offset())
		default:
			if _, err := sc.Skip(); err != nil {
				return err
			}
		}
	}
	if !typ || !id || !pay {
		return errIncomplete
	}
	return sc.End()
}

var errIncomplete = fmt.Errorf("an envelope needs the members type, id and payload")
