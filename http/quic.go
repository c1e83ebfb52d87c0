package alkhttp

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// serveQUIC gives every connection its own http3.Server: GOAWAY is per server
// there, and Shutdown of a server with many connections from ServeQUICConn can
// end while one of them is just starting.
func (s *Server) serveQUIC(sess *session) error {
	qc, ok := sess.conn.Raw().(*quic.Conn)
	if !ok {
		return &core.HandlerError{Code: core.CodeProtocol, Reason: "h3 is served on QUIC only"}
	}
	hs := &http3.Server{
		Handler:        s.handler,
		MaxHeaderBytes: s.limits.MaxHeaderBytes,
		Logger:         slog.New(slog.DiscardHandler), // it logs hosts and paths, or to the global logger
		ConnContext: func(ctx context.Context, _ *quic.Conn) context.Context {
			return context.WithValue(ctx, sessionKey{}, sess)
		},
	}
	var wg sync.WaitGroup
	served := make(chan struct{})
	wg.Go(func() { s.endIdle(sess, served) })
	wg.Go(func() { s.sayGoAway(sess, hs, served) })
	err := hs.ServeQUICConn(qc)
	close(served)
	wg.Wait()
	sess.wait()
	if qc.Context().Err() != nil || s.draining.Err() != nil {
		return nil // the peer has been told, or told us
	}
	return err
}

// endIdle closes a connection that has no request in progress for IdleTimeout.
// The timer of http3.Server would take a stream whose header never completes
// for a request.
func (s *Server) endIdle(sess *session, served <-chan struct{}) {
	timer := time.NewTimer(s.limits.IdleTimeout)
	defer timer.Stop()
	for {
		busy, changed := sess.busy()
		expired := timer.C
		if busy {
			expired = nil
		} else {
			timer.Reset(s.limits.IdleTimeout)
		}
		select {
		case <-served:
			return
		case <-changed:
		case <-expired:
			sess.conn.Close(uint64(http3.ErrCodeNoError), "idle")
			return
		}
	}
}

// sayGoAway ends the connection when Drain begins: GOAWAY, the requests in
// progress, and core.DefaultLinger for the client to take the answers and to
// close (RFC 9114, section 5.2).
func (s *Server) sayGoAway(sess *session, hs *http3.Server, served <-chan struct{}) {
	select {
	case <-served:
		return
	case <-s.draining.Done():
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = hs.Shutdown(context.Background()) }) // returns when hs has served
	for {
		busy, changed := sess.busy()
		var expired <-chan time.Time
		if !busy {
			expired = time.After(core.DefaultLinger)
		}
		select {
		case <-served:
			return
		case <-changed:
		case <-expired:
			sess.conn.Close(uint64(http3.ErrCodeNoError), "")
			return
		}
	}
}
