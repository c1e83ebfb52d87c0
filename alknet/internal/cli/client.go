package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/addressbook"
	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

// dialFlags are what every command that dials a node has.
type dialFlags struct {
	via       string
	socks5    string
	acceptNew bool
}

func (f *dialFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.via, "via", "auto", "`transport`: auto, quic or tcp")
	fl.StringVar(&f.socks5, "socks5", "", "dial through the SOCKS5 proxy at `host:port`, and never past it")
	fl.BoolVar(&f.acceptNew, "accept-new", false, "accept and keep the key of a node met for the first time")
}

// client dials one node. Its methods may be called concurrently.
type client struct {
	env    *env
	arg    string // as the person wrote it
	saved  bool   // arg is a saved name
	target dial.Target
	via    dial.Via
	dialer *dial.Dialer
	own    *ownIdentity
	close  func() // wipes the key
}

// client reads the NODE argument and gets ready to dial, without dialling. The
// data directory need not exist: its absence makes the caller anonymous.
func (e *env) client(ctx context.Context, node string, f dialFlags) (*client, error) {
	d, err := e.dir()
	if err != nil {
		return nil, err
	}
	c := &client{env: e, arg: node}
	if c.target, c.saved, err = parseNode(d, node); err != nil {
		return nil, err
	}
	if c.via, err = dial.ParseVia(f.via); err != nil {
		return nil, usagef("--via: %w", err)
	}
	c.dialer = &dial.Dialer{KnownNodes: &dial.KnownNodes{Path: d.KnownNodes()}}
	if f.socks5 != "" {
		if _, _, err := net.SplitHostPort(f.socks5); err != nil {
			return nil, usagef("--socks5: %w: write host:port", err)
		}
		c.dialer.Proxy = &dial.Proxy{Addr: f.socks5}
	}
	if c.own, err = e.identify(ctx, d); err != nil {
		return nil, err
	}
	c.close = c.own.close
	if c.own.exists {
		c.dialer.Certificate = c.own.certificate
	}
	if c.own.exists || f.acceptNew || e.canAsk() {
		c.dialer.Confirm = c.firstContact(d, f.acceptNew)
	}
	return c, nil
}

func parseNode(d datadir.Dir, node string) (t dial.Target, saved bool, err error) {
	t, err = dial.ParseNode(node, func(name string) (string, bool, error) {
		book, err := addressbook.Load(d.Nodes())
		if err != nil {
			return "", false, err
		}
		var text string
		text, saved = book[name]
		return text, saved, nil
	})
	var bad *dial.TargetError
	if errors.As(err, &bad) && !saved {
		return t, false, &usageError{err}
	}
	return t, saved, err
}

// dial connects and says what to do where that fails.
func (c *client) dial(ctx context.Context, alpn string, p dial.Purpose) (core.Connection, dial.Info, error) {
	conn, info, err := c.dialer.Dial(ctx, dial.Request{Target: c.target, ALPN: alpn, Purpose: p, Via: c.via})
	if _, own := c.own.certificate(ctx); own != nil { // also where the server asked for none
		if err == nil {
			conn.Close(core.CodeNone, "")
		}
		return nil, info, own
	}
	return conn, info, c.explain(err)
}

// explain adds what the person can do about err, which may be nil.
func (c *client) explain(err error) error {
	var dns *net.DNSError
	switch {
	case err == nil:
		return nil
	case dial.Refused(err) && !c.own.exists:
		return fmt.Errorf("%s refuses strangers: %w: run 'alknet init' and have the owner add the id", c.arg, err)
	case dial.Refused(err):
		id, _ := c.own.key().NodeID()
		return fmt.Errorf("%s refuses: %w: its owner can allow it with 'alknet peer add NAME %s --scope …'", c.arg, err, id)
	case errors.As(err, &dns) && !c.saved && dial.ValidName(c.arg):
		return fmt.Errorf("%w: nor is %q a saved name: see 'alknet node list'", err, c.arg)
	}
	return err
}

// firstContact decides upon a key that nothing vouches for. Whoever agrees gets
// a data directory to keep it in, if there is none: a mode 0700 folder that
// holds known_nodes and no identity.
func (c *client) firstContact(d datadir.Dir, acceptNew bool) func(context.Context, dial.FirstContact) (bool, error) {
	return func(ctx context.Context, fc dial.FirstContact) (bool, error) {
		ok := acceptNew || c.own.exists && fc.Key == c.own.key()
		if !ok {
			var err error
			ok, err = c.env.askFirstContact(ctx, fc)
			if errors.Is(err, errNoTerminal) {
				return false, &dial.UnknownNodeError{Target: fc.Target, Key: fc.Key, Err: fc.Err}
			}
			if !ok || err != nil {
				return false, err
			}
		}
		if err := os.MkdirAll(d.Path(), 0o700); err != nil {
			return false, fmt.Errorf("keep the key: %w", err)
		}
		return true, nil
	}
}

func (e *env) canAsk() bool {
	_, done, err := e.terminal()
	if err == nil {
		done()
	}
	return err == nil
}

func (e *env) askFirstContact(ctx context.Context, fc dial.FirstContact) (bool, error) {
	tty, done, err := e.terminal()
	if err != nil {
		return false, err
	}
	key := fc.Key.String()
	if id, ok := fc.Key.NodeID(); ok {
		key = "node id " + id.String()
	}
	fmt.Fprintf(e.stderr, "First contact with %s, for which no authority vouches (%s).\nIts key: %s\nIs that what its owner says? Trust it from now on? [y/N] ",
		fc.Target, printable(fc.Err.Error()), key)
	type answer struct {
		line string
		err  error
	}
	answered := make(chan answer, 1)
	// As in askSecret: a read from a terminal ends with the program.
	go func() {
		defer done()
		line, err := bufio.NewReader(io.LimitReader(tty, maxSecret)).ReadString('\n')
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		if a.err != nil && a.line == "" {
			return false, fmt.Errorf("read from the terminal: %w", a.err)
		}
		line := strings.ToLower(strings.TrimSpace(a.line))
		return line == "y" || line == "yes", nil
	case <-ctx.Done():
		fmt.Fprintln(e.stderr)
		return false, context.Cause(ctx)
	}
}
