package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
)

// ErrNotRunning says that no node answers on the socket.
var ErrNotRunning = errors.New("no node is running on this data directory")

// A Client asks the node whose socket is at the path. It is safe for
// concurrent use and holds no connection between calls.
type Client struct{ path string }

// NewClient does not connect.
func NewClient(path string) *Client { return &Client{path} }

// Status asks for the node's state.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, StatusName, nil)
}

// Reload makes the node read its configuration again. On an error the old one
// is still in force.
func (c *Client) Reload(ctx context.Context) (ReloadResult, error) {
	return ask[ReloadResult](ctx, c, ReloadName, nil)
}

// Stop makes the node finish, or break off its work if now is set.
func (c *Client) Stop(ctx context.Context, now bool) error {
	_, err := ask[nothing](ctx, c, stopName, stopInput{now})
	return err
}

// Change edits peers and tokens; it returns when the change is in force.
func (c *Client) Change(ctx context.Context, ch peerbook.Change) error {
	_, err := ask[nothing](ctx, c, changeName, ch)
	return err
}

// Identity asks for the node's certificate.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	return ask[Identity](ctx, c, identityName, nil)
}

// Sign has the node sign a TLS 1.3 CertificateVerify.
func (c *Client) Sign(ctx context.Context, message []byte) ([]byte, error) {
	out, err := ask[signOutput](ctx, c, signName, signInput{message})
	return out.Signature, err
}

func ask[O any](ctx context.Context, c *Client, operation string, in any) (O, error) {
	var out O
	node, err := c.Dial(ctx)
	if err != nil {
		return out, err
	}
	defer node.Close()
	out, err = call.Call[O](ctx, node, operation, in)
	return out, described(err)
}

// described leaves of an error what people read: the node's own words, or that
// it could not be reached.
func described(err error) error {
	var e *call.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e) || e.Unwrap() != nil:
		return fmt.Errorf("reach the node: %w", err)
	case e.Code == call.CodeInternal || e.Code == codeRefused || e.Code == CodeConfigRefused:
		return errors.New(e.Message)
	}
	return fmt.Errorf("the node answered %w", err)
}

// trusts tells the folder's owner, and root if it has bound this very path: a
// link there must not lead root to a node of root's own.
func (c *Client) trusts(conn net.Conn, owner uint32) bool {
	return peerAllowed(conn, owner) || conn.RemoteAddr().String() == c.path && peerAllowed(conn, 0)
}

// Dial connects to the node for any number of calls. Its error is ErrNotRunning
// if nobody is there.
func (c *Client) Dial(ctx context.Context, opts ...call.ClientOption) (*call.Client, error) {
	owner, err := checkPrivate(filepath.Dir(c.path))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, ErrNotRunning
		}
		return nil, fmt.Errorf("reach the node: %w", err)
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", c.path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNotRunning
	case err != nil:
		return nil, fmt.Errorf("reach the node: %w", err)
	case !c.trusts(nc, owner):
		nc.Close()
		return nil, fmt.Errorf("reach the node: the process behind %s is another user's", c.path)
	}
	opts = append([]call.ClientOption{call.WithTimeout(timeout)}, opts...)
	return call.NewClient(core.NewDialedStreamConn(nc, call.ALPN), opts...), nil
}
