package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/alkdev/alknet/core"
)

// A Link keeps a connection to a peer up and its imports current. It is a
// [Caller] of the peer's operations, under the peer's own names, as a [Client]
// is, which it makes anew for each connection.
//
//	link := &call.Link{Name: "lab", Dial: dial, Server: server, Import: &call.Import{Prefix: "lab"}}
//	go link.Run(ctx)
//
// While the peer cannot be reached, calls fail at once with a retryable
// INTERNAL; [Link.Ready] waits. Calls in flight fail in the same way when the
// connection is lost. They may have taken effect, and are never repeated. The
// message does not say why, since a handler that returns the error tells its
// caller, and reasons name addresses: [Link.Err] has them, and errors.Unwrap.
//
// The fields are frozen by Run. The methods may be called at any time.
type Link struct {
	// Name is the peer's in Peers and in messages.
	Name string
	// Dial connects, and says who the far end is on this node; nil is nobody.
	// It has a minute and returns when its context ends. The log has the reason
	// for a failure without addresses: what the method Reason() string of an
	// error in the chain returns, or a few words.
	Dial func(context.Context) (core.Connection, *core.AuthContext, error)
	// Server is what the far end may call, and holds the Peers that get the
	// imports. Nil offers nothing; an Import needs it.
	Server *Server
	// Import is what is taken over into Server.Peers; nil is nothing.
	Import *Import
	// Options are those of each Client, beside WithServer.
	Options []ClientOption
	// Refused tells errors of Dial, and ends of connections, that trying again
	// soon does not mend, such as another key than the one expected. Access
	// denied by core's codes is known without it.
	Refused func(error) bool
	// Logger gets a line when the link comes up, when it goes down, and when a
	// reason changes; nil discards.
	Logger *slog.Logger

	mu      sync.Mutex
	running bool
	client  *Client
	ready   bool
	err     error         // why there is no client; nil before the first attempt
	changed chan struct{} // closed when one of them changes; nil if nobody waits

	told string // the last failure in the log; of Run
}

const (
	dialTimeout   = time.Minute
	importTimeout = time.Minute
	renewEvery    = time.Minute // imports are compared with the peer's list
)

var (
	errNotTried = errors.New("not tried yet")
	errNotReady = errors.New("the import has not succeeded yet")
	errStopped  = errors.New("the link has been stopped")
)

// Run keeps the link up until ctx ends, then closes the connection, waits for
// what ran for it, and returns nil. It fails at once if the fields make no
// link, the Link is running, or its name or prefix is another's in
// Server.Peers: the latter with a [*CollisionError] that names both.
//
// After a failure, or the end of a connection, it waits before it dials again:
// about a second, doubling to a minute, from anew after a connection that was
// up for half a minute; and the whole minute at once after a refusal. It dials
// no more once Server drains. Imports are renewed with each connection and every
// minute: names that are new, gone or listed in another way. They leave Peers
// with the connection.
func (l *Link) Run(ctx context.Context) error {
	r, err := l.start()
	if err != nil {
		return fmt.Errorf("link %q: %w", clip(l.Name, maxName), err)
	}
	var ends sync.WaitGroup
	defer func() {
		ends.Wait()
		l.stop(r)
	}()
	var wait backoff
	for {
		up, err := l.connect(ctx, r, &ends)
		if l.Server != nil && l.Server.stopping() {
			<-ctx.Done()
		}
		if ctx.Err() != nil {
			return nil
		}
		refused := l.refused(err)
		delay := wait.next(up, refused)
		l.down(err, refused, delay)
		if !pause(ctx, delay) {
			return nil
		}
	}
}

func (l *Link) start() (*rules, error) {
	if err := checkPeerName(l.Name); err != nil {
		return nil, err
	}
	if l.Dial == nil {
		return nil, errors.New("there is no Dial")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running {
		return nil, errors.New("it is running already")
	}
	var r *rules
	if l.Import != nil {
		if l.Server == nil || l.Server.Peers == nil {
			return nil, errors.New("import: there is no Server with Peers to take it")
		}
		var err error
		if r, err = l.Import.compile(); err != nil {
			return nil, err
		}
		if err = l.Server.Peers.reserve(l, r.prefix); err != nil {
			return nil, err
		}
	}
	l.running, l.err = true, nil
	return r, nil
}

func (l *Link) stop(r *rules) {
	if r != nil {
		l.Server.Peers.release(l)
	}
	l.set(func() { l.running, l.err = false, errStopped })
}

// set changes the state and wakes those who wait for it.
func (l *Link) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// connect makes one connection and keeps it to its end. It returns how long it
// was up and why it ended.
func (l *Link) connect(ctx context.Context, r *rules, ends *sync.WaitGroup) (up time.Duration, err error) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	conn, who, err := l.Dial(dialing)
	cancel()
	if err != nil {
		return 0, err
	}
	var opts []ClientOption
	if l.Server != nil {
		opts = append(opts, WithServer(l.Server, who))
	}
	c := NewClient(conn, append(opts, l.Options...)...)
	since := time.Now()
	if l.Server == nil {
		c.startProbing() // what has one stream learns of the other end's leaving by reading
	}
	l.set(func() { l.client = c })
	l.told = ""
	l.logger().Info("call: link up", "peer", l.Name)
	l.keep(ctx, c, r)
	up, err = time.Since(since), c.Err()
	l.set(func() { l.client, l.ready, l.err = nil, false, err })
	c.Close()
	ends.Go(func() { <-c.Done() }) // a handler that takes its time delays no redial
	return up, err
}

// keep returns when the connection or ctx ends.
func (l *Link) keep(ctx context.Context, c *Client, r *rules) {
	var renewal <-chan time.Time
	keeper := keeper{link: l, importer: importer{client: c, rules: r}}
	defer keeper.drop()
	if r != nil {
		ticker := time.NewTicker(renewEvery)
		defer ticker.Stop()
		renewal = ticker.C
	}
	for {
		if r == nil || keeper.renew(ctx) {
			l.set(func() { l.ready = true })
		}
		select {
		case <-renewal:
		case <-c.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// A keeper holds the place of a connection's imports in Peers.
type keeper struct {
	link     *Link
	importer importer
	here     *peer  // in Peers; nil if nothing is
	stale    bool   // here is not what the importer has
	failed   string // the last failure in the log
}

// renew reports whether Peers has what the peer offered last time it said so.
func (k *keeper) renew(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, importTimeout)
	defer cancel()
	changed, err := k.importer.renew(ctx)
	k.stale = k.stale || changed || k.here == nil
	if err == nil && k.stale {
		next := &peer{name: k.link.Name, client: k.importer.client, entries: k.importer.entries()}
		if err = k.link.Server.Peers.put(next, k.link); err == nil {
			k.here, k.stale = next, false
			k.link.logger().Info("call: imported", "peer", k.link.Name, "operations", len(next.entries))
		}
	}
	if err == nil {
		k.failed = ""
		return true
	}
	if text := err.Error(); text != k.failed && ctx.Err() == nil && k.importer.client.Err() == nil {
		k.failed = text
		k.link.logger().Warn("call: import failed", "peer", k.link.Name, "err", clip(text, maxMessage))
	}
	return k.here != nil
}

func (k *keeper) drop() {
	if k.here != nil {
		k.link.Server.Peers.drop(k.here)
	}
}

// refused reports whether the other end, or the dialler, denies access.
func (l *Link) refused(err error) bool {
	var end *core.CloseError
	if errors.As(err, &end) && end.Remote && end.Err == nil {
		switch end.Code {
		case core.CodeAuthRequired, core.CodeForbidden, core.CodeRevoked:
			return true
		}
	}
	return errors.Is(err, core.ErrForbidden) || errors.Is(err, core.ErrAuthRequired) || l.Refused != nil && l.Refused(err)
}

func (l *Link) down(err error, refused bool, delay time.Duration) {
	l.set(func() { l.err = err })
	level, text := slog.LevelWarn, "call: link down"
	if refused {
		text = "call: link refused: trying again will not mend it"
	}
	why := reason(err)
	if l.told == why {
		level = slog.LevelDebug
	}
	l.told = why
	l.logger().Log(context.Background(), level, text, "peer", l.Name, "reason", why, "retry_in", delay.Round(time.Second/10))
}

func (l *Link) logger() *slog.Logger {
	if l.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Logger
}

// Ready waits until the link is up and its imports are there. It fails when ctx
// ends, with its error and that of a call, and when Run has returned.
func (l *Link) Ready(ctx context.Context) error {
	for {
		l.mu.Lock()
		ready, stopped := l.ready, errors.Is(l.err, errStopped)
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		switch {
		case ready:
			return nil
		case stopped:
			return l.notConnected()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), l.notConnected())
		}
	}
}

// Err is why the link is not connected; nil while it is.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.client != nil:
		return nil
	case l.err == nil:
		return errNotTried
	}
	return l.err
}

func (l *Link) notConnected() *Error {
	err := l.Err()
	if err == nil {
		err = errNotReady
	}
	message := "not connected to " + l.Name
	if err == errNotTried || err == errNotReady || err == errStopped {
		message += ": " + err.Error()
	}
	return &Error{Code: CodeInternal, Message: message, Retryable: true, err: err}
}

func (l *Link) current() *Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.client
}

// Call implements [Caller].
func (l *Link) Call(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	if c := l.current(); c != nil {
		out, err := c.Call(ctx, operation, input)
		return out, fromBehind(ctx, l.Name, err)
	}
	return nil, l.notConnected()
}

// Subscribe implements [Caller].
func (l *Link) Subscribe(ctx context.Context, operation string, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		c := l.current()
		if c == nil {
			yield(nil, l.notConnected())
			return
		}
		itemsFrom(ctx, l.Name, c.Subscribe(ctx, operation, input))(yield)
	}
}

// A backoff says how long to wait before the next attempt.
type backoff struct{ delay time.Duration }

const (
	firstDelay  = time.Second
	longestWait = time.Minute
	stableAfter = 30 * time.Second
)

func (b *backoff) next(up time.Duration, refused bool) time.Duration {
	switch {
	case refused:
		b.delay = longestWait
	case b.delay == 0 || up >= stableAfter:
		b.delay = firstDelay
	default:
		b.delay = min(2*b.delay, longestWait)
	}
	return b.delay - rand.N(b.delay/5) // so that those who lost a node do not all come back at once
}

// pause reports whether ctx lasted.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
