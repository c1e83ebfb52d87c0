package call

import (
	"context"
	"encoding/json"
	"iter"
)

// forward gives an import the code that calls the peer.
func forward(op *Operation, c *Client, remote string) {
	name := op.Name
	if op.Type == TypeSubscription {
		op.Stream = func(ctx context.Context, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
			return itemsFrom(ctx, name, c.Subscribe(forwarding(ctx), remote, input))
		}
		return
	}
	op.Handle = func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		out, err := c.Call(forwarding(ctx), remote, input)
		return out, fromBehind(ctx, name, err)
	}
}

// fromBehind is an error of the connection on which a call went on, as the
// caller may see it. How it was lost names addresses, which are none of the
// caller's business; what the other end said passes.
func fromBehind(ctx context.Context, name string, err error) error {
	told, ok := err.(*Error)
	switch {
	case err == nil, ctx.Err() != nil, ok && (told.err == nil || told.Code != CodeInternal):
		return err
	}
	return &Error{Code: CodeInternal, Message: "the node behind " + name + " cannot be reached", Retryable: true, err: err}
}

// itemsFrom is a subscription with the errors of fromBehind.
func itemsFrom(ctx context.Context, name string, items iter.Seq2[json.RawMessage, error]) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for out, err := range items {
			if !yield(out, fromBehind(ctx, name, err)) {
				return
			}
		}
	}
}

// forwarding makes calls under ctx those of this node: with its own rights, for
// the caller that the whole chain of composed calls began with. Of that caller
// the name is told. What rights it has here means nothing over there.
func forwarding(ctx context.Context) context.Context {
	var claim *ForwardedFor
	if r := RequestFrom(ctx); r != nil && r.scope != nil {
		if id := r.scope.root.request.Identity; !id.IsZero() {
			claim = &ForwardedFor{ID: id.Name, Scopes: []string{}, Resources: map[string][]string{}}
		}
	}
	return withForwarded(context.WithValue(ctx, tokenKey{}, nil), claim)
}
