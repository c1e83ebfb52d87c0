package endpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alkdev/alknet/core"
)

// stopGrace is how long the hard stop waits for handlers that ignore their
// context.
const stopGrace = 5 * time.Second

const (
	// handshakeGrace is how long Shutdown waits for handshakes in flight.
	handshakeGrace = time.Second
	// handoverGrace is how long a handler has to take a connection that it was
	// just given, and that connection's first request, before it is told to
	// drain: nothing tells when it has.
	handoverGrace = 50 * time.Millisecond
)

// Serve accepts connections until Shutdown or Close and returns when everything
// that it started has ended: core.ErrServerClosed, or what made serving
// impossible. The end of ctx is a Close.
func (e *Endpoint) Serve(ctx context.Context) error {
	e.init()
	if err := e.start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { e.Close() })
	defer stop()
	<-e.ended
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault != nil {
		return fmt.Errorf("serve: %w", e.fault)
	}
	return core.ErrServerClosed
}

func (e *Endpoint) start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.stopping:
		return core.ErrServerClosed
	case e.serving:
		return errServing
	case len(e.sockets) == 0:
		return errNotListening
	}
	for _, s := range e.sockets {
		ln, err := s.transport.Listen(e.TLS.QUIC(), e.quicConfig())
		if err != nil {
			return fmt.Errorf("serve QUIC on %s: %w", s.tcp.Addr(), err)
		}
		s.listener = ln
	}
	e.serving = true
	for _, s := range e.sockets {
		e.tcpLoops.Add(1)
		e.loops.Go(func() {
			defer e.tcpLoops.Done()
			e.acceptTCP(s)
		})
		e.loops.Go(func() { e.acceptQUIC(s) })
	}
	if e.Changed != nil && e.Identities != nil {
		e.loops.Go(e.watchIdentities)
	}
	close(e.accepts)
	return nil
}

// fail ends everything because an accept loop cannot go on.
func (e *Endpoint) fail(err error) {
	e.mu.Lock()
	if e.fault == nil {
		e.fault = err
	}
	e.mu.Unlock()
	go e.Close() // which waits for the loop that calls this
}

// track counts a connection in, unless none is any more.
func (e *Endpoint) track() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.full {
		return false
	}
	e.conns.Add(1)
	return true
}

// Shutdown ends the endpoint in good order: no more connections are accepted,
// handshakes in flight have a second to end, handlers are told to finish (core.Drainer), connections get DrainTimeout to
// end by themselves, then their handlers' context ends, and when all have
// returned the sockets are closed. The end of ctx cuts the waiting short. It
// returns what went wrong: the handlers' errors, or how many did not return.
//
// A second caller waits for the same end, or for its own ctx.
func (e *Endpoint) Shutdown(ctx context.Context) error {
	e.init()
	first := false
	e.stopOnce.Do(func() { first = true })
	if first {
		e.stop(ctx)
		return e.stopErr
	}
	select {
	case <-e.ended:
		return e.stopErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close is Shutdown without waiting for connections; it also cuts the waiting
// of a Shutdown in progress short.
func (e *Endpoint) Close() error {
	e.init()
	e.nowOnce.Do(func() { close(e.now) })
	return e.Shutdown(context.Background())
}

func (e *Endpoint) stop(ctx context.Context) {
	defer close(e.ended)
	e.mu.Lock()
	e.stopping = true
	sockets := e.sockets
	e.mu.Unlock()

	e.refuse()
	for _, s := range sockets {
		s.tcp.Close()
		if s.listener != nil {
			s.listener.Close()
		}
	}
	e.settle(ctx)
	e.mu.Lock()
	e.full = true
	e.mu.Unlock()
	gone := make(chan struct{})
	go func() { e.conns.Wait(); close(gone) }()
	e.stopErr = e.drain(ctx, gone)
	e.stopRunner()
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-gone:
	case <-grace.C:
		e.stopErr = errors.Join(e.stopErr, fmt.Errorf("stop: %d handlers did not return within %v", len(e.snapshot()), stopGrace))
	}
	e.loops.Wait()
	for _, s := range sockets {
		s.close()
	}
}

// settle lets clients that the kernel has handed over finish their handshakes,
// before handlers are told to drain: where the listening socket lives on in
// another process, nobody else will answer them.
func (e *Endpoint) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handshakeGrace)
	defer cancel()
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		busy := e.gate.count()+len(e.snapshot()) > 0
		e.tcpLoops.Wait()
		e.gate.empty(ctx)
		if busy {
			wait(ctx, handoverGrace)
		}
	}()
	select {
	case <-settled:
	case <-ctx.Done():
	case <-e.now:
		cancel()
	}
	e.cutShaking()
	<-settled
}

// drain waits until gone is closed, the time is over, or somebody wants it now.
func (e *Endpoint) drain(ctx context.Context, gone <-chan struct{}) error {
	limit := e.DrainTimeout
	if limit == 0 {
		limit = DefaultDrainTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-e.now:
		return nil
	default:
	}
	cut := make(chan struct{})
	defer close(cut)
	go func() {
		select {
		case <-e.now:
			cancel()
		case <-cut:
		}
	}()
	err := e.Router.Drain(ctx)
	select {
	case <-gone:
	case <-ctx.Done():
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
