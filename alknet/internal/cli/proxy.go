package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

func (e *env) proxyCommand() *cobra.Command {
	var (
		f      dialFlags
		listen string
	)
	cmd := &cobra.Command{
		Use:   "proxy NODE ALPN",
		Short: "Join standard input and output to one stream of a node",
		Long: `Join standard input and output to one stream of a node's protocol, as in
  ssh -o 'ProxyCommand=alknet proxy NODE alknet/ssh' me@node
The end of input ends the sending direction alone; the command ends when both
directions have, or when the node takes nothing more and has sent its all.

With --listen it accepts TCP on a loopback address and joins each connection to
a stream of its own. Every user of this machine can connect there, and acts with
this node's identity then.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if err := checkALPN(a[1]); err != nil {
				return err
			}
			// A hang-up and a reader that has gone must not keep the node from
			// hearing that the connection is over.
			signal.Ignore(syscall.SIGPIPE)
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()
			err := e.proxy(ctx, a[0], a[1], listen, f)
			if err != nil && ctx.Err() != nil {
				return exitError(exitFailed) // whoever sent the signal knows; ssh always does
			}
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&listen, "listen", "", "accept TCP on this loopback `address`, one stream each; port 0 picks a free one")
	return cmd
}

func checkALPN(alpn string) error {
	if alpn == "" || len(alpn) > 255 || strings.HasPrefix(alpn, "-") {
		return usagef("%q is not a protocol name: write one such as alknet/ssh", alpn)
	}
	return nil
}

// purposeOf tells which transport suits a protocol.
func purposeOf(alpn string) dial.Purpose {
	switch alpn {
	case "alknet/sftp", "alknet/git", "alknet/fs":
		return dial.Bulk
	}
	return dial.Interactive
}

func (e *env) proxy(ctx context.Context, node, alpn, listen string, f dialFlags) error {
	c, err := e.client(ctx, node, f)
	if err != nil {
		return err
	}
	defer c.close()
	if listen != "" {
		return c.listen(ctx, listen, alpn)
	}
	return c.join(ctx, alpn)
}

func (c *client) join(ctx context.Context, alpn string) error {
	conn, info, err := c.dial(ctx, alpn, purposeOf(alpn))
	if err != nil {
		return err
	}
	defer conn.Close(core.CodeNone, "")
	s, err := conn.OpenStream(ctx)
	if err != nil {
		return c.explain(err)
	}
	j := joint{conn: conn, stream: s, in: c.env.stdin, out: c.env.stdout}
	if err := j.run(ctx); err != nil {
		return c.explain(j.describe(err, info))
	}
	if info.Transport == dial.QUIC {
		j.linger(ctx, info.RTT)
	}
	return nil
}

// copyBuffer is what one read takes at most, in bytes.
const copyBuffer = 256 << 10

// handshakeWork is how much of a round trip that was measured in a handshake may
// have been computing.
const handshakeWork = 2 * time.Millisecond

// joint is one stream and what it is joined to.
type joint struct {
	conn     core.Connection
	stream   core.Stream
	in       io.Reader
	out      io.Writer
	endWrite func() error // ends out; nil: out is closed if it can be

	copies      sync.WaitGroup // both directions; wait only if in can be interrupted
	answered    atomic.Bool    // something was received
	lastWrite   time.Time      // owned by upload until it has ended, as is unwanted
	unwanted    bool           // the peer takes nothing more
	sentAll     time.Time
	receivedAll time.Time
}

// run copies both ways until both directions have ended. Of a local input that
// cannot be interrupted, one read may outlast it.
func (j *joint) run(ctx context.Context) error {
	up, down := make(chan error, 1), make(chan error, 1)
	j.copies.Go(func() { up <- j.upload() })
	j.copies.Go(func() { down <- j.download() })
	var gone <-chan struct{}
	for up != nil || down != nil {
		select {
		case err := <-up:
			up = nil
			j.sentAll = time.Now()
			if err != nil && down != nil {
				// What ended the connection is told by its reading side.
				err = cmpError(j.wait(ctx, down), err)
			}
			if err != nil {
				return err
			}
		case err := <-down:
			down = nil
			j.receivedAll = time.Now()
			if err != nil {
				return err
			}
			gone = j.conn.Context().Done()
		case <-gone:
			if cause := context.Cause(j.conn.Context()); !over(cause) {
				return cause
			}
			return nil
		case <-ctx.Done():
			j.conn.Close(core.CodeNone, "")
			return context.Cause(ctx)
		}
	}
	return nil
}

func (j *joint) wait(ctx context.Context, ended <-chan error) error {
	if j.conn.Context().Err() == nil {
		return nil
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func cmpError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// over reports whether the peer wanted no more, as against a failure.
func over(err error) bool {
	var se *core.StreamError
	if errors.As(err, &se) {
		return se.Remote && se.Code == core.CodeNone
	}
	var ce *core.CloseError
	return errors.As(err, &ce) && ce.Err == nil && ce.Code == core.CodeNone
}

func (j *joint) upload() error {
	buf := make([]byte, copyBuffer)
	for {
		n, err := j.in.Read(buf)
		if n > 0 {
			_, werr := j.stream.Write(buf[:n])
			j.lastWrite = time.Now()
			if werr != nil {
				return j.refused(werr)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			// An empty write tells whether the peer reads at all.
			if _, werr := j.stream.Write(nil); werr != nil {
				return j.refused(werr)
			}
			return j.stream.CloseWrite()
		case err != nil:
			j.stream.CancelWrite(core.CodeInternal)
			return &localError{"read input", err}
		}
	}
}

// refused is what a failed write means for the upload.
func (j *joint) refused(err error) error {
	if over(err) {
		j.unwanted = true
		return nil
	}
	return err
}

func (j *joint) download() error {
	buf := make([]byte, copyBuffer)
	for {
		n, err := j.stream.Read(buf)
		if n > 0 {
			j.answered.Store(true)
			if _, werr := j.out.Write(buf[:n]); werr != nil {
				j.stream.CancelRead(core.CodeNone)
				return &localError{"write output", werr}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return j.endOutput()
		case err != nil:
			return err
		}
	}
}

func (j *joint) endOutput() error {
	end := j.endWrite
	if end == nil {
		f, ok := j.out.(io.Closer)
		if !ok {
			return nil
		}
		end = f.Close
	}
	if err := end(); err != nil && !errors.Is(err, os.ErrClosed) {
		return &localError{"end output", err}
	}
	return nil
}

// localError is a failure on this side of the joint.
type localError struct {
	what string
	err  error
}

func (e *localError) Error() string { return e.what + ": " + e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

func (j *joint) describe(err error, info dial.Info) error {
	var local *localError
	switch {
	case errors.As(err, &local), errors.Is(err, context.Canceled):
		return err
	case info.Transport == dial.TCP && !dial.Refused(err) && !j.answered.Load():
		return fmt.Errorf("%s stream: %w: over TCP a node cannot say why; --via quic may tell", info.ALPN, err)
	}
	return fmt.Errorf("%s stream: %w", info.ALPN, err)
}

// linger gives a peer that ended its direction first the time to take what it
// cannot have seen by then, since closing a QUIC connection drops data that is
// on its way, the end of the stream included.
func (j *joint) linger(ctx context.Context, rtt time.Duration) {
	var wait time.Duration
	switch {
	case j.unwanted:
		return
	case j.receivedAll.Sub(j.lastWrite) < max(0, rtt-handshakeWork):
		wait = 8*rtt + 200*time.Millisecond // room for losses
	case j.sentAll.Before(j.receivedAll):
		return
	default:
		wait = 2*rtt + 10*time.Millisecond // the end alone
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	core.Linger(ctx, j.conn)
}
