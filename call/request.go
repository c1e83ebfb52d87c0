package call

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/alkdev/alknet/core"
)

// A Caller calls operations, wherever they are: on the other end of a
// connection ([Client]), behind one that is kept open ([Link]), on any of
// several peers ([Peers]), or in this process ([Server.Local], [Env]). Input
// and outputs are single JSON values; nil stands for null. [Call], [Subscribe]
// and [Batch] do the same with Go types.
type Caller interface {
	// Call returns the operation's answer. When ctx ends the call is aborted,
	// with everything that it has caused. Errors are of type *Error.
	Call(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error)

	// Subscribe yields answers until the subscription ends. An error is
	// yielded last, with a nil answer. Leaving the loop, or the end of ctx,
	// aborts the subscription. Nothing is sent before the loop begins.
	Subscribe(ctx context.Context, operation string, input json.RawMessage) iter.Seq2[json.RawMessage, error]
}

// A Request is what is known about the call that a handler serves. It is
// read-only.
type Request struct {
	ID        string // as on the wire for calls from there; unique in this process only together with Client
	Parent    string // the ID of the call that composed this one; empty at the root
	Operation string // without leading slash

	// Identity is who access was checked against: the caller or, for a
	// composed call, the authority of the composing operation.
	Identity core.Identity
	// ForwardedFor is whom the caller says it acts for; nil if it says
	// nothing. It is a claim, good for logs, and grants nothing.
	ForwardedFor *ForwardedFor
	// Internal tells composed calls from those that came in.
	Internal bool
	// Capabilities are the secrets that were wired to the root operation.
	Capabilities Capabilities
	// Client is the connection that the root call came in on, for calls in
	// the other direction; nil if it began in this process.
	Client *Client

	scope *scope
}

// ForwardedFor is an identity that a forwarding node names
// (docs/wire/call.md, section 4).
type ForwardedFor struct {
	ID        string              `json:"id"`
	Scopes    []string            `json:"scopes"`
	Resources map[string][]string `json:"resources"`
}

type requestKey struct{}

// RequestFrom returns the request that ctx belongs to, or nil outside of a
// handler.
func RequestFrom(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}
