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
	"github.com/alkdev/alknet/core/dial"
)

// makeLinks makes a link of each import in config.toml; Run runs them.
func (n *Node) makeLinks() {
	for _, i := range n.settings.Call.Imports {
		take := i.Config()
		n.links = append(n.links, &call.Link{
			Name: i.Name, Server: n.calls, Import: &take, Logger: n.log,
			Dial: func(ctx context.Context) (core.Connection, *core.AuthContext, error) {
				return n.dialImport(ctx, i.Node)
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

// linkStates says which imports are there, or why not.
func (n *Node) linkStates() []admin.Link {
	var states []admin.Link
	imported := n.calls.Peers.Names()
	for _, l := range n.links {
		s := admin.Link{Name: l.Name, Prefix: l.Import.Prefix}
		if err := l.Err(); err != nil {
			s.Error = err.Error()
		} else if s.Connected = true; !slices.Contains(imported, l.Name) {
			s.Error = "its operations have not been imported yet; the log may tell more"
		}
		states = append(states, s)
	}
	return states
}
