package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
)

// ErrNotRunning says that no node answers on the socket.
var ErrNotRunning = errors.New("no node is running on this data directory")

// A Client asks the node whose socket is at the path. It is safe for
// concurrent use and holds no connection between calls.
type Client struct{ path string }

// NewClient does not connect.
func NewClient(path string) *Client { return &Client{path} }

// Status asks for the node's state.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

// Reload makes the node read its configuration again. On an error the old one
// is still in force.
func (c *Client) Reload(ctx context.Context) (r ReloadResult, err error) {
	return r, c.do(ctx, http.MethodPost, "/reload", nil, &r)
}

// Stop makes the node finish, or break off its work if now is set.
func (c *Client) Stop(ctx context.Context, now bool) error {
	return c.do(ctx, http.MethodPost, fmt.Sprintf("/stop?now=%t", now), nil, nil)
}

// Change edits peers and tokens; it returns when the change is in force.
func (c *Client) Change(ctx context.Context, ch peerbook.Change) error {
	return c.do(ctx, http.MethodPost, "/change", ch, nil)
}

// Identity asks for the node's certificate.
func (c *Client) Identity(ctx context.Context) (id Identity, err error) {
	return id, c.do(ctx, http.MethodGet, "/identity", nil, &id)
}

// Sign has the node sign a TLS 1.3 CertificateVerify.
func (c *Client) Sign(ctx context.Context, message []byte) (sig []byte, err error) {
	return sig, c.do(ctx, http.MethodPost, "/sign", message, &sig)
}

// trusts tells the folder's owner, and root if it has bound this very path: a
// link there must not lead root to a node of root's own.
func (c *Client) trusts(conn net.Conn, owner uint32) bool {
	return peerAllowed(conn, owner) || conn.RemoteAddr().String() == c.path && peerAllowed(conn, 0)
}

func (c *Client) do(ctx context.Context, method, target string, in, out any) error {
	owner, err := checkPrivate(filepath.Dir(c.path))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return ErrNotRunning
		}
		return fmt.Errorf("reach the node: %w", err)
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", c.path)
		if err == nil && !c.trusts(conn, owner) {
			conn.Close()
			return nil, fmt.Errorf("the process behind %s is another user's", c.path)
		}
		return conn, err
	}}
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://node"+target, body)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return ErrNotRunning
	case err != nil:
		return fmt.Errorf("reach the node: %w", err)
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(io.LimitReader(resp.Body, 64<<20))
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := dec.Decode(&f); err != nil || f.Error == "" {
			return fmt.Errorf("the node answered %s", resp.Status)
		}
		return errors.New(f.Error)
	}
	if out == nil {
		return nil
	}
	if err := dec.Decode(out); err != nil {
		return fmt.Errorf("read the node's answer: %w", err)
	}
	return nil
}
