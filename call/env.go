package call

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Env is how a handler calls other operations of its node, and of the peers
// that are connected to it. It is a [Caller], under rules of its own:
//
//   - Only what the operation declares in Uses exists. Everything else is
//     NOT_FOUND, as is what no layer has: the session's operations first, then
//     what peers offer, then the Registry.
//   - Access is checked against the operation's [Authority], not against the
//     caller; the callee sees it as Request.Identity, with Internal set. What
//     the caller claims to act for is not passed on; the secrets and the
//     deadline are.
//   - The calls are part of the call that they are made for. When it ends, by
//     its return as well as by an abort, they are cancelled, whatever context
//     they were given. ContinueRunning says otherwise.
//   - Subscriptions cannot be composed, and calls not be nested deeper than
//     256.
//
// The zero Env finds nothing. An Env is safe for concurrent use.
type Env struct {
	scope *scope
	peer  string // the one peer that is asked; empty: all layers
	keep  bool   // ContinueRunning
}

// maxDepth bounds how deep composed calls nest in one process.
const maxDepth = 256

// EnvFrom returns the Env of the running handler that ctx belongs to.
func EnvFrom(ctx context.Context) Env {
	r := RequestFrom(ctx)
	if r == nil || r.scope == nil {
		return Env{}
	}
	return Env{scope: r.scope, keep: r.scope.keep}
}

// ContinueRunning returns an Env whose calls, once begun, run to their end
// when the handler's call is aborted; only the deadline still ends them. After
// the abort no further ones begin, at any depth.
func (v Env) ContinueRunning() Env {
	v.keep = true
	return v
}

// Peer returns a Caller for what one peer offers, under the names that it has
// here, and for nothing else. Uses must name the operation, for all peers or
// for this one.
func (v Env) Peer(name string) Caller {
	v.peer = name
	if name == "" {
		return Env{}
	}
	return v
}

// Peers returns the peers that offer something that the operation uses.
func (v Env) Peers() []string {
	if v.scope == nil {
		return nil
	}
	peers := v.scope.server.Peers
	return slices.DeleteFunc(peers.names(), func(peer string) bool {
		at := Env{scope: v.scope, peer: peer}
		for use := range v.scope.entry.uses {
			name := strings.TrimPrefix(use, pinnedPrefix+peer+"/")
			if at.find(name) != nil {
				return false
			}
		}
		return true
	})
}

// Contains reports whether the operation exists for the handler. It may still
// be forbidden.
func (v Env) Contains(operation string) bool {
	return v.find(strings.TrimPrefix(operation, "/")) != nil
}

// Call implements [Caller].
func (v Env) Call(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	e, child, failure := v.admit(ctx, operation, input)
	if failure != nil {
		return nil, failure
	}
	ctx, done := v.context(ctx)
	defer done()
	out, failure := v.scope.server.once(ctx, child, e, input)
	if failure != nil {
		return nil, failure
	}
	return out, nil
}

// Subscribe implements [Caller]; it always fails. A handler that wants what
// other subscriptions yield is given their source.
func (v Env) Subscribe(_ context.Context, operation string, _ json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		name := strings.TrimPrefix(operation, "/")
		if v.find(name) == nil {
			yield(nil, notFound(name))
			return
		}
		yield(nil, Errorf(CodeInvalidOperationType, "handlers cannot compose subscriptions: %s", name))
	}
}

// find looks for an operation that the handler uses.
func (v Env) find(name string) *entry {
	if v.scope == nil {
		return nil
	}
	s, uses := v.scope.server, v.scope.entry.uses
	if v.peer != "" {
		if !uses[name] && !uses[pinnedPrefix+v.peer+"/"+name] {
			return nil
		}
		return s.Peers.imported(v.peer, name)
	}
	if !uses[name] {
		return nil
	}
	if e := v.scope.sessionLayer().find(name); e != nil {
		return e
	}
	if e := s.Peers.imported("", name); e != nil {
		return e
	}
	return s.Registry.find(name)
}

// admit is Server.admit for a composed call.
func (v Env) admit(ctx context.Context, operation string, input json.RawMessage) (*entry, *Request, *Error) {
	name := strings.TrimPrefix(operation, "/")
	if v.scope == nil {
		return nil, nil, notFound(name)
	}
	if failure := v.ended(ctx); failure != nil {
		return nil, nil, failure
	}
	e := v.find(name)
	if e == nil {
		return nil, nil, notFound(name)
	}
	parent := v.scope
	if parent.depth >= maxDepth {
		return nil, nil, Errorf(CodeInternal, "calls are nested deeper than %d: does %s call itself?", maxDepth, name)
	}
	invalid := e.input.Validate(orNull(input))
	if failure := e.gate.allow(parent.server.Ownership, parent.entry.authority, input); failure != nil {
		return nil, nil, failure
	}
	if invalid != nil {
		return nil, nil, invalidInput(invalid)
	}
	if e.op.Type == TypeSubscription {
		return nil, nil, wrongType(e)
	}
	return e, v.child(e), nil
}

// ended reports that the call which this handler serves, or the one that it
// continues, is over.
func (v Env) ended(ctx context.Context) *Error {
	for _, c := range []context.Context{v.scope, v.scope.gate, ctx} {
		if failure := endOf(c); failure != nil {
			return failure
		}
	}
	return nil
}

func (v Env) child(e *entry) *Request {
	parent := v.scope
	call := &running{request: Request{
		ID:           parent.root.request.ID + "." + strconv.FormatUint(parent.root.children.Add(1), 10),
		Parent:       parent.request.ID,
		Operation:    e.op.Name,
		Identity:     parent.entry.authority,
		Internal:     true,
		Capabilities: parent.request.Capabilities,
		Client:       parent.request.Client,
	}}
	call.attach(parent.server, e)
	child := &call.scope
	child.root, child.depth, child.keep = parent.root, parent.depth+1, v.keep
	if v.keep {
		child.gate = parent.gate
	}
	return &call.request
}

// context is what a composed call runs under: the caller's context, that ends
// with the handler's too, whether or not it descends from it.
func (v Env) context(ctx context.Context) (context.Context, context.CancelFunc) {
	parent, child := v.scope, ctx
	if v.keep {
		child = context.WithoutCancel(ctx)
	}
	deadline, limited := parent.Deadline()
	if own, ok := ctx.Deadline(); ok && (!limited || own.Before(deadline)) {
		deadline, limited = own, true
	}
	var cancel context.CancelFunc
	if has, ok := child.Deadline(); limited && (!ok || deadline.Before(has)) {
		child, cancel = context.WithDeadline(child, deadline)
	} else {
		child, cancel = context.WithCancel(child)
	}
	if v.keep || ctx == context.Context(parent) {
		return child, cancel
	}
	stop := context.AfterFunc(parent, cancel)
	return child, func() {
		stop()
		cancel()
	}
}

// running is a Request with its scope, in one piece.
type running struct {
	request Request
	scope   scope
}

func (c *running) attach(s *Server, e *entry) {
	c.scope.request, c.scope.server, c.scope.entry = &c.request, s, e
	c.scope.root = &c.scope
	c.request.scope = &c.scope
}

// A scope is what composition needs to know of a running call. It is the
// context of the handler.
type scope struct {
	context.Context // nil until the handler starts

	request *Request
	server  *Server
	entry   *entry
	root    *scope
	depth   int
	keep    bool            // this call was made by ContinueRunning, and so are those that it makes
	gate    context.Context // after its end nothing below begins

	children atomic.Uint64 // of root: the calls composed so far
	once     sync.Once     // of root
	session  *Registry     // of root
}

// start makes the scope the context of a handler.
func (s *scope) start(ctx context.Context) context.Context {
	s.Context = ctx
	if s.gate == nil {
		s.gate = s
	}
	return s
}

// Value makes the scope the carrier of its Request. Everything else, also what
// package context asks for when it propagates a cancellation, is below.
func (s *scope) Value(key any) any {
	if key == (requestKey{}) {
		return s.request
	}
	return s.Context.Value(key)
}

// sessionLayer is the session's registry, asked for once a root call.
func (s *scope) sessionLayer() *Registry {
	root := s.root
	root.once.Do(func() {
		if source := root.server.Session; source != nil {
			root.session = source(root, root.request)
		}
	})
	return root.session
}
