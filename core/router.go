package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/alkdev/alknet/core/auth"
)

// DefaultLinger is how long a connection waits for its peer to close after the
// handler is done, before it is closed from here.
const DefaultLinger = 2 * time.Second

// A Router sends each connection to the handler of its protocol. The zero
// value is ready to use; its fields are frozen by the first Dispatch.
type Router struct {
	// Logger gets one line per connection and every panic; nil discards.
	Logger *slog.Logger
	// Linger is how long to wait for the peer to close after a handler
	// returned nil; zero means DefaultLinger.
	Linger time.Duration

	mu       sync.Mutex // protects the registration, not Dispatch
	started  bool
	order    []ProtocolHandler
	handlers map[string]ProtocolHandler // read-only once started
}

// Register adds h under all its protocol names, or under none: a name that is
// taken gives a *DuplicateError, an unusable one an error that says why. After
// the first call of Dispatch or ALPNs it returns ErrRouterStarted.
func (r *Router) Register(h ProtocolHandler) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started {
		return ErrRouterStarted
	}
	names := h.ALPNs()
	if len(names) == 0 {
		return fmt.Errorf("register %T: it serves no protocol name", h)
	}
	for i, name := range names {
		switch first, taken := r.handlers[name]; {
		case name == "" || len(name) > 255:
			return fmt.Errorf("register %T: a protocol name has 1 to 255 bytes (RFC 7301), got %d", h, len(name))
		case name == "acme-tls/1":
			return fmt.Errorf("register %T: %q is answered inside the handshake and has no handler (RFC 8737)", h, name)
		case taken:
			return &DuplicateError{ALPN: name, First: first, Second: h}
		case slices.Contains(names[:i], name):
			return &DuplicateError{ALPN: name, First: h, Second: h}
		}
	}
	if r.handlers == nil {
		r.handlers = make(map[string]ProtocolHandler)
	}
	for _, name := range names {
		r.handlers[name] = h
	}
	r.order = append(r.order, h)
	return nil
}

// ALPNs lists the registered names in order of registration.
func (r *Router) ALPNs() []string {
	var names []string
	for _, h := range r.start() {
		names = append(names, h.ALPNs()...)
	}
	return names
}

func (r *Router) start() []ProtocolHandler {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = true
	return r.order
}

// Dispatch runs the handler of conn's protocol and ends the connection as
// [ProtocolHandler] describes; it returns when both are done. When ctx ends,
// the connection is closed with CodeShutdown. Its error is the handler's, a
// *HandlerError with CodeNoHandler if nobody serves the protocol, or one with
// CodeInternal after a panic.
//
// Dispatch is public for protocols that carry others inside. Such a caller
// passes what the inner connection proved, or nil for nobody: the rights of
// the outer connection are not inherited.
func (r *Router) Dispatch(ctx context.Context, conn Connection, who *AuthContext) error {
	r.start()
	if who == nil {
		who = NewAuthContext(Identity{}, auth.Key{}, conn.ALPN(), conn.RemoteAddr(), nil)
	}
	began := time.Now()
	stop := context.AfterFunc(ctx, func() { conn.Close(CodeShutdown, "the node stops") })
	defer stop()

	err := r.run(ctx, conn, who)
	if isEnd(conn, err) {
		err = nil
	}
	code, reason := closeCode(err)
	if code == CodeNone {
		r.linger(ctx, conn)
	}
	if ctx.Err() != nil { // a handler may see the hard stop before conn does
		code, reason = CodeShutdown, "the node stops"
	}
	conn.Close(code, reason)
	r.log(who, conn, time.Since(began), err)
	return err
}

func (r *Router) run(ctx context.Context, conn Connection, who *AuthContext) (err error) {
	h, ok := r.handlers[conn.ALPN()]
	if !ok {
		return &HandlerError{Code: CodeNoHandler, Reason: "nobody serves this protocol here"}
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil { // runtime.Goexit, after which nobody else closes
			v = "the handler ended its goroutine"
			conn.Close(CodeInternal, "internal error")
		}
		if r.Logger != nil {
			r.Logger.Error("handler panicked", "remote_addr", addrString(who.RemoteAddr), "alpn", conn.ALPN(),
				"handler", fmt.Sprintf("%T", h), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
		err = &HandlerError{Code: CodeInternal, Reason: "internal error", Err: fmt.Errorf("panic: %v", v)}
	}()
	err = h.Handle(ctx, conn, who)
	returned = true
	return err
}

func (r *Router) linger(ctx context.Context, conn Connection) {
	limit := r.Linger
	if limit == 0 {
		limit = DefaultLinger
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	Linger(ctx, conn)
}

func (r *Router) log(who *AuthContext, conn Connection, d time.Duration, err error) {
	if r.Logger == nil {
		return
	}
	args := []any{"remote_addr", addrString(who.RemoteAddr), "alpn", conn.ALPN(), "peer", who.Who().Name, "duration", d}
	if err != nil {
		args = append(args, "error", err.Error())
	}
	r.Logger.Info("connection closed", args...)
}

// Drain tells every handler that implements Drainer to finish and waits until
// all have answered or ctx ends. The errors are joined, with that of ctx in the
// place of answers that did not come.
func (r *Router) Drain(ctx context.Context) error {
	waiting := 0
	answers := make(chan error, len(r.start()))
	for _, h := range r.start() {
		if d, ok := h.(Drainer); ok {
			waiting++
			go drain(ctx, d, answers)
		}
	}
	var errs []error
	for ; waiting > 0; waiting-- {
		select {
		case err := <-answers:
			errs = append(errs, err)
		case <-ctx.Done():
			return errors.Join(append(errs, fmt.Errorf("drain: %d handlers have not finished: %w", waiting, ctx.Err()))...)
		}
	}
	return errors.Join(errs...)
}

func drain(ctx context.Context, d Drainer, answer chan<- error) {
	var err error
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("drain %T: panic: %v", d, v)
		}
		answer <- err
	}()
	if err = d.Drain(ctx); err != nil {
		err = fmt.Errorf("drain %T: %w", d, err)
	}
}

// isEnd reports whether err is the end of conn, and not that of another
// connection whose data a handler passes on: the peer must not take what came
// before that one's cut for the whole.
func isEnd(conn Connection, err error) bool {
	var he *HandlerError
	if !errors.Is(err, ErrConnectionClosed) || errors.As(err, &he) {
		return false
	}
	// Without a CloseError the only stream has ended in both directions, in
	// good order.
	var ce *CloseError
	return !errors.As(err, &ce) || conn.Context().Err() != nil
}

func closeCode(err error) (uint64, string) {
	var he *HandlerError
	switch {
	case err == nil:
		return CodeNone, ""
	case errors.As(err, &he) && he.Code != CodeNone:
		return he.Code, he.Reason
	case errors.Is(err, ErrAuthRequired):
		return CodeAuthRequired, ErrAuthRequired.Error()
	case errors.Is(err, ErrForbidden):
		return CodeForbidden, ErrForbidden.Error()
	}
	return CodeInternal, "internal error"
}
