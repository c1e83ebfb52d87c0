package call

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"iter"
	"strings"

	"github.com/alkdev/alknet/core"
)

// Local returns a Caller of this server's operations in the same process, as
// id: for faces of the node such as REST, MCP and a command line. It may do
// what id may do from another node, and nothing else; the same checks apply,
// and queries and mutations have the Timeout of the Limits. Handlers run on the
// caller's goroutine. What is in flight is not counted: who makes a Caller for
// others bounds them. The identity is not renewed; make a Caller a request.
func (s *Server) Local(id core.Identity) Caller { return local{s, id} }

type local struct {
	server *Server
	id     core.Identity
}

func (l local) Call(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	r, e, failure := l.admit(operation, input)
	if failure != nil {
		return nil, failure
	}
	ctx, cancel := context.WithTimeout(ctx, l.server.Limits.withDefaults().Timeout)
	defer cancel()
	out, failure := l.server.once(ctx, r, e, input)
	if failure != nil {
		return nil, failure
	}
	return out, nil
}

func (l local) Subscribe(ctx context.Context, operation string, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		r, e, failure := l.admit(operation, input)
		if failure != nil {
			yield(nil, failure)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for out, failure := range l.server.stream(ctx, r, e, input) {
			if failure != nil {
				yield(nil, failure)
				return
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

func (l local) admit(operation string, input json.RawMessage) (*Request, *entry, *Error) {
	name := strings.TrimPrefix(operation, "/")
	in := incoming{id: rand.Text(), operation: name, entry: l.server.lookup(name), input: input, identity: l.id}
	if in.entry != nil {
		in.invalid = in.entry.input.Validate(orNull(input))
	}
	r, failure := l.server.admit(in)
	return r, in.entry, failure
}
