package call

import (
	"context"
	"encoding/json"
	"iter"
)

// forward gives an import the code that calls the peer.
func forward(op *Operation, c *Client, remote string) {
	if op.Type == TypeSubscription {
		op.Stream = func(ctx context.Context, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
			return c.Subscribe(forwarding(ctx), remote, input)
		}
		return
	}
	op.Handle = func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		return c.Call(forwarding(ctx), remote, input)
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
