package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/dial"
)

// openCalls makes the two servers of alknet/call: that of the network, and
// that of the administration socket, which offers more.
func (n *Node) openCalls(failures *config.Failures) error {
	var network, local call.Registry
	if err := n.register(&network); err != nil {
		return err
	}
	if n.cfg.Operations != nil {
		if err := n.cfg.Operations(&network); err != nil {
			return fmt.Errorf("register operations: %w", err)
		}
	}
	for _, op := range network.Operations() {
		if err := local.Register(op); err != nil {
			return err
		}
	}
	if err := n.backend().Register(&local); err != nil {
		return err
	}
	n.calls = &call.Server{Registry: &network, Identities: n.store, Failures: failures, Peers: &call.Peers{}, Logger: n.log}
	n.localCalls = &call.Server{Registry: &local, Identities: n.store, Peers: n.calls.Peers, Logger: n.log, Limits: admin.Limits()}
	return nil
}

// Calls is the node's server of alknet/call: for connections made here on which
// the other end may call back (call.WithServer, call.Link), and for calls within
// the process (call.Server.Local). Its Peers hold what config.toml imports.
func (n *Node) Calls() *call.Server { return n.calls }

// DialCalls is [Node.Dial] for alknet/call, and says who the other end is on
// this node: what call.Link.Dial and call.WithServer want.
func (n *Node) DialCalls(ctx context.Context, node string) (core.Connection, *core.AuthContext, error) {
	conn, info, err := n.Dial(ctx, node, call.ALPN, dial.Interactive)
	if err != nil {
		return nil, nil, err
	}
	id, err := n.store.ByKey(ctx, info.Key)
	if err != nil {
		id = core.Identity{} // not on the list: nobody
	}
	return conn, core.NewAuthContext(id, info.Key, call.ALPN, conn.RemoteAddr(), nil), nil
}

// register adds the node's own operations.
func (n *Node) register(r *call.Registry) error {
	return errors.Join(
		call.Query(r, admin.StatusName, func(ctx context.Context, _ struct{}) (admin.Status, error) { return n.status(asksOwner(ctx)), nil },
			call.Describe("Says what runs here: version, addresses, protocols, and the connections being served.")),
		call.Query(r, "node/peers", func(ctx context.Context, _ struct{}) (peersAnswer, error) { return n.peers(asksOwner(ctx)), nil },
			call.Describe("Lists the owner's peers, what each may do, and who of them is connected; and the nodes whose operations are imported.")),
		call.Mutation(r, admin.ReloadName, func(context.Context, struct{}) (admin.ReloadResult, error) {
			names, err := n.Reload()
			if err != nil {
				err = admin.Refused(err)
			}
			return admin.ReloadResult{NeedsRestart: names}, err
		}, call.RequireScopes("admin"), call.Fails(admin.ConfigRefused()),
			call.Describe("Reads config.toml, peers.toml and the certificate files again and puts them in force, or refuses them whole.")),
		call.Subscription(r, "node/watch", n.watchers.watch,
			call.Fails(call.ErrorSpec{Code: codeLagged, Description: "The events came faster than they were taken."}),
			call.Describe("Tells of connections that open and close, and of attempts to prove an identity, as they happen. It does not tell what is done on a connection.")),
	)
}

type peersAnswer struct {
	Peers []listedPeer `json:"peers" jsonschema:"sorted by name"`
	Links []admin.Link `json:"links,omitempty" jsonschema:"the nodes whose operations are imported"`
}

type listedPeer struct {
	Name        string    `json:"name"`
	Keys        int       `json:"keys" jsonschema:"how many keys prove it"`
	Enabled     bool      `json:"enabled" jsonschema:"false: refused, as it was disabled or has expired"`
	Expires     time.Time `json:"expires,omitzero"`
	Scopes      []string  `json:"scopes" jsonschema:"what it may do, roles included"`
	Connections int       `json:"connections" jsonschema:"of its, being served"`
}

func (n *Node) peers(owner bool) peersAnswer {
	online := map[string]int{}
	for _, c := range n.endpoint.Connections() {
		if c.Kind == auth.KindPeer {
			online[c.Peer]++
		}
	}
	d := n.store.Dynamic()
	answer := peersAnswer{make([]listedPeer, len(d.Peers)), n.linkStates(owner)}
	for i, p := range d.Peers {
		answer.Peers[i] = listedPeer{
			Name: p.Name, Keys: len(p.Keys), Expires: p.Expires, Scopes: []string{}, Connections: online[p.Name],
			Enabled: !p.Disabled && (p.Expires.IsZero() || time.Now().Before(p.Expires)),
		}
		granted, err := p.Grant(d.Roles)
		if err != nil {
			continue // the store has taken it, so there is none
		}
		for _, s := range granted {
			answer.Peers[i].Scopes = append(answer.Peers[i].Scopes, s.String())
		}
	}
	slices.SortFunc(answer.Peers, func(a, b listedPeer) int { return cmp.Compare(a.Name, b.Name) })
	return answer
}
