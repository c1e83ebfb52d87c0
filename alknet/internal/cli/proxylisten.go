package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

const (
	// maxLocal is how many local connections are joined at once; others wait.
	maxLocal = 100
	// openTimeout bounds the wait for a dial and a stream for one of them.
	openTimeout = 30 * time.Second
)

// listen joins each TCP connection to a stream of its own. It dials once before
// it listens, so that faults and questions come at the start.
func (c *client) listen(ctx context.Context, addr, alpn string) error {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsLoopback() {
		return usagef("--listen %q: write a loopback address and a port, as in 127.0.0.1:2222", addr)
	}
	shared := &sharedConn{client: c, alpn: alpn}
	defer shared.close()
	if err := shared.warm(ctx); err != nil {
		return err
	}
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(ap))
	if err != nil {
		return fmt.Errorf("listen: %w: choose another port", err)
	}
	fmt.Fprintf(c.env.stdout, "listening on %v\n", l.Addr())
	defer context.AfterFunc(ctx, func() { l.Close() })()

	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, maxLocal)
	for {
		slots <- struct{}{}
		local, err := l.AcceptTCP()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			l.Close()
			return fmt.Errorf("accept: %w", err)
		}
		running.Go(func() {
			defer func() { <-slots }()
			if err := shared.join(ctx, local); err != nil && ctx.Err() == nil {
				fmt.Fprintln(c.env.stderr, "alknet: "+oneLine(c.explain(err)))
			}
		})
	}
}

// sharedConn is the QUIC connection that all streams share. Where the transport
// is TCP, each stream has a connection of its own.
type sharedConn struct {
	client *client
	alpn   string

	mu   sync.Mutex // held while dialling, so that a crowd dials once
	conn core.Connection
}

func (s *sharedConn) warm(ctx context.Context) error {
	conn, _, _, err := s.get(ctx)
	if err == nil && s.conn == nil {
		conn.Close(core.CodeNone, "")
	}
	return err
}

// get returns a live connection and whether it is the caller's to close.
func (s *sharedConn) get(ctx context.Context) (core.Connection, dial.Info, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil && s.conn.Context().Err() == nil {
		return s.conn, dial.Info{Transport: dial.QUIC, ALPN: s.alpn}, false, nil
	}
	conn, info, err := s.client.dial(ctx, s.alpn, purposeOf(s.alpn))
	if err != nil {
		return nil, info, false, err
	}
	if info.Transport != dial.QUIC {
		s.conn = nil
		return conn, info, true, nil
	}
	s.conn = conn
	return conn, info, false, nil
}

func (s *sharedConn) close() {
	if s.conn != nil {
		s.conn.Close(core.CodeNone, "")
	}
}

func (s *sharedConn) join(ctx context.Context, local *net.TCPConn) error {
	defer local.Close()
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	var (
		conn   core.Connection
		stream core.Stream
		info   dial.Info
	)
	for again := true; ; again = false {
		var own bool
		var err error
		if conn, info, own, err = s.get(opening); err != nil {
			return err
		}
		if own {
			defer conn.Close(core.CodeNone, "")
		}
		if stream, err = conn.OpenStream(opening); err == nil {
			break
		}
		// The shared connection may have ended since.
		if own || !again || !errors.Is(err, core.ErrConnectionClosed) {
			return err
		}
	}
	j := joint{conn: conn, stream: stream, in: local, out: local, endWrite: local.CloseWrite}
	err := j.run(ctx)
	if err == nil {
		local.Close() // the node may have ended it while local said nothing
		j.copies.Wait()
		return stream.Close()
	}
	stream.CancelRead(core.CodeInternal)
	stream.CancelWrite(core.CodeInternal)
	local.SetLinger(0) // a cut must not read as an end
	local.Close()
	j.copies.Wait()
	return j.describe(err, info)
}
