package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/alkdev/alknet/alknet/internal/addressbook"
	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
)

// makeLinks makes a link of each import in config.toml; Run runs them.
func (n *Node) makeLinks() {
	for _, i := range n.settings.Call.Imports {
		take := i.Config()
		n.links = append(n.links, &call.Link{
			Name: i.Name, Server: n.calls, Import: &take, Logger: n.log,
			Dial: func(ctx context.Context) (core.Connection, *core.AuthContext, error) {
				conn, who, err := n.dialImport(ctx, i.Node)
				if err != nil {
					err = &linkError{err}
				}
				return conn, who, err
			},
			Refused: func(err error) bool { return dial.Refused(err) || errors.Is(err, dial.ErrNotTrusted) },
		})
	}
}

// dialImport looks a saved name up anew each time, so that the node follows
// 'alknet node add'.
func (n *Node) dialImport(ctx context.Context, node string) (core.Connection, *core.AuthContext, error) {
	if !dial.ValidName(node) {
		return n.DialCalls(ctx, node)
	}
	book, err := addressbook.Load(n.dir.Nodes())
	if err != nil {
		return nil, nil, err
	}
	saved, ok := book[node]
	if !ok {
		return nil, nil, fmt.Errorf("%q: %w: save it with 'alknet node add %s NODE'", node, addressbook.ErrNoNode, node)
	}
	return n.DialCalls(ctx, saved)
}

// A linkError is logged by its reason alone.
type linkError struct{ error }

func (e *linkError) Unwrap() error  { return e.error }
func (e *linkError) Reason() string { return linkReason(e.error) }

// linkReason says why there is no connection, without an address.
func linkReason(err error) string {
	var unknown *dial.UnknownNodeError
	switch {
	case errors.Is(err, addressbook.ErrNoNode):
		return "not saved"
	case errors.As(err, &unknown):
		return "its key is not known here"
	case errors.Is(err, dial.ErrNotTrusted):
		return "another key"
	case dial.Refused(err):
		return "refuses this node"
	case errors.Is(err, dial.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	case errors.Is(err, core.ErrConnectionClosed):
		return "connection lost"
	}
	return "not connected"
}

// asksOwner reports whether the owner, on the administration socket, asks.
func asksOwner(ctx context.Context) bool {
	r := call.RequestFrom(ctx)
	return r != nil && r.Identity.Kind == auth.KindOwner
}

// linkStates says which imports are there, or why not: to the owner in full,
// to others without addresses.
func (n *Node) linkStates(owner bool) []admin.Link {
	var states []admin.Link
	imported := n.calls.Peers.Names()
	for _, l := range n.links {
		s := admin.Link{Name: l.Name, Prefix: l.Import.Prefix}
		switch err := l.Err(); {
		case err == nil:
			if s.Connected = true; !slices.Contains(imported, l.Name) {
				s.Error = "its operations have not been imported yet; the log may tell more"
			}
		case owner:
			s.Error = err.Error()
		default:
			s.Error = linkReason(err)
		}
		states = append(states, s)
	}
	return states
}
