package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Peers is what connected peers offer, under the names that imports have given
// it here. A [Link] keeps its part current. For peers that dial in, that is up
// to Server.Connected:
//
//	server.Connected = func(ctx context.Context, c *call.Client) {
//		if c.Identity().Kind != auth.KindPeer {
//			return
//		}
//		ops, err := c.Import(ctx, call.Import{Prefix: "workers"})
//		if err == nil {
//			_, err = server.Peers.Add(c.Identity().Name, c, ops)
//		}
//		...
//	}
//
// Names are those of links and of peers, one space for both: keep it to
// identities of one kind, since a token and a peer of the same name are
// different callers, and the later Add would replace the earlier.
//
// Handlers reach it through their [Env], under an authority, and other nodes
// what rules expose, under a scope. [Peers.Peer] and [Peers.Any] are for the
// program itself: access is the peer's to decide, and nobody else's.
//
// The zero value is empty and ready, and nil offers nothing. It is safe for
// concurrent use; reading waits for nobody. It must not be copied.
type Peers struct {
	mu  sync.Mutex // one change at a time
	now atomic.Pointer[roster]
}

// A roster is the state of Peers at one moment. It is read-only.
type roster struct {
	peers   []*peer // in the order of their coming
	links   []linked
	exposed map[string]*entry // what other nodes may find, and nothing else
	first   map[string]*entry // of the first peer that offers it
}

type peer struct {
	name    string
	client  *Client
	entries map[string]*entry
}

// linked is what a link has reserved.
type linked struct {
	link   *Link
	prefix string
}

// A CollisionError says that a name is claimed twice, which would leave it to
// chance who answers.
type CollisionError struct {
	Name string // of an operation, or the prefix of a link's imports
	// First has the name and Second wanted it. They are equal if one peer
	// offers the name twice, and empty if that peer was not named.
	First, Second string
}

func (e *CollisionError) Error() string {
	name := clip(e.Name, maxName)
	if e.First == e.Second {
		return fmt.Sprintf("the peer offers %q twice", name)
	}
	return fmt.Sprintf("%q belongs to the peer %q, so %q cannot have it: give their imports prefixes of their own", name, e.First, e.Second)
}

// Add makes the operations of a peer, as [Client.Import] returned them, part of
// Peers until remove is called or the connection ends. An earlier Add under the
// name is replaced, and its remove then does nothing: so imports are renewed,
// and a peer that comes back is not kept out by a connection that has died
// unnoticed.
//
// It fails, and changes nothing, if the name is empty, "local" or has a '/', or
// belongs to a Link; if an operation is not of the provenance [FromCall], is
// Public, or does not compile; with a [*CollisionError] if there are two of one
// name, one lies below the prefix of a Link, or one is External here and so is
// another peer's of that name; and after the end of the connection.
func (p *Peers) Add(name string, c *Client, ops []Operation) (remove func(), err error) {
	here := &peer{name: name, client: c, entries: make(map[string]*entry, len(ops))}
	if err = here.fill(ops); err == nil {
		err = p.put(here, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("add peer %q: %w", clip(name, maxName), err)
	}
	stop := context.AfterFunc(c.ctx, func() { p.drop(here) })
	return func() {
		stop()
		p.drop(here)
	}, nil
}

func (p *peer) fill(ops []Operation) error {
	if err := checkPeerName(p.name); err != nil {
		return err
	}
	if p.client == nil {
		return errors.New("there is no connection")
	}
	if err := p.client.Err(); err != nil {
		return closedError(err)
	}
	for _, op := range ops {
		e, err := compile(op)
		switch {
		case err != nil:
		case op.Provenance != FromCall:
			err = fmt.Errorf("its provenance is %q: peers hold what was imported, a Registry everything else", op.Provenance)
		case e.gate.public:
			err = errors.New("an import cannot be Public: expose it under a scope")
		case p.entries[op.Name] != nil:
			return &CollisionError{Name: op.Name, First: p.name, Second: p.name}
		}
		if err != nil {
			return fmt.Errorf("operation %q: %w", clip(op.Name, maxName), err)
		}
		p.entries[op.Name] = e
	}
	return nil
}

// localPeer stands for the node itself in services/list-peers.
const localPeer = "local"

func checkPeerName(name string) error {
	if name == "" || name == localPeer || len(name) > maxName || strings.Contains(name, "/") {
		return fmt.Errorf(`the name of a peer is 1 to %d bytes without '/', and not %q`, maxName, localPeer)
	}
	return nil
}

func (p *Peers) load() *roster {
	if p != nil {
		if r := p.now.Load(); r != nil {
			return r
		}
	}
	return &noPeers
}

var noPeers roster

// put adds a peer, or replaces that of its name, for a link or for nobody.
func (p *Peers) put(here *peer, by *Link) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.load()
	for _, l := range now.links {
		if l.link == by {
			continue
		}
		if l.link.Name == here.name {
			return errors.New("the name belongs to a link")
		}
		for name := range here.entries {
			if below(name, l.prefix) {
				return &CollisionError{l.prefix, l.link.Name, here.name}
			}
		}
	}
	peers := slices.Clone(now.peers)
	place := len(peers)
	for i, other := range peers {
		if other.name == here.name {
			place = i
			continue
		}
		for name, e := range here.entries {
			if o := other.entries[name]; o != nil && exposedHere(e) && exposedHere(o) {
				return &CollisionError{name, other.name, here.name}
			}
		}
	}
	p.now.Store(newRoster(slices.Replace(peers, place, min(place+1, len(peers)), here), now.links))
	return nil
}

func exposedHere(e *entry) bool { return e.op.Visibility == External }

// below reports whether a name begins with all components of prefix.
func below(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// drop removes a peer, if nothing has replaced it.
func (p *Peers) drop(here *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.load()
	if i := slices.Index(now.peers, here); i >= 0 {
		p.now.Store(newRoster(slices.Delete(slices.Clone(now.peers), i, i+1), now.links))
	}
}

// reserve keeps a link's name and prefix for it, whether or not it is up, so
// that it does not depend on who connects first whose a name is.
func (p *Peers) reserve(l *Link, prefix string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.load()
	for _, other := range now.links {
		if other.link.Name == l.Name {
			return errors.New("another link has this name")
		}
		if below(prefix, other.prefix) || below(other.prefix, prefix) {
			return &CollisionError{prefix, other.link.Name, l.Name}
		}
	}
	for _, other := range now.peers {
		if other.name == l.Name {
			return errors.New("a peer that is connected already has this name")
		}
		for name := range other.entries {
			if below(name, prefix) {
				return &CollisionError{prefix, other.name, l.Name}
			}
		}
	}
	p.now.Store(newRoster(now.peers, append(slices.Clip(now.links), linked{l, prefix})))
	return nil
}

func (p *Peers) release(l *Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.load()
	links := slices.DeleteFunc(slices.Clone(now.links), func(o linked) bool { return o.link == l })
	p.now.Store(newRoster(now.peers, links))
}

func newRoster(peers []*peer, links []linked) *roster {
	r := &roster{peers: peers, links: links, exposed: map[string]*entry{}, first: map[string]*entry{}}
	for _, p := range slices.Backward(peers) {
		maps.Copy(r.first, p.entries)
		for name, e := range p.entries {
			if exposedHere(e) {
				r.exposed[name] = e
			}
		}
	}
	return r
}

func (r *roster) peer(name string) *peer {
	for _, p := range r.peers {
		if p.name == name {
			return p
		}
	}
	return nil
}

// exposed returns what an exposure rule opens to other nodes under a name.
func (p *Peers) exposed(name string) *entry { return p.load().exposed[name] }

// imported returns an operation that a peer offers, under the name that it has
// here; of the first peer that has it if peer is empty.
func (p *Peers) imported(peer, name string) *entry {
	now := p.load()
	if peer == "" {
		return now.first[name]
	}
	if from := now.peer(peer); from != nil {
		return from.entries[name]
	}
	return nil
}

// names returns the peers that offer something, in the order of their coming,
// in memory of its own.
func (p *Peers) names() []string {
	var names []string
	for _, from := range p.load().peers {
		if len(from.entries) > 0 {
			names = append(names, from.name)
		}
	}
	return names
}

// exposedBy returns what exposure rules open of one peer's operations, in
// memory of its own.
func (p *Peers) exposedBy(peer string) []*entry {
	from := p.load().peer(peer)
	if from == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Collect(maps.Values(from.entries)), func(e *entry) bool { return !exposedHere(e) })
}

// Names returns the peers that are connected and have been imported from, in
// the order of their coming.
func (p *Peers) Names() []string {
	now := p.load()
	names := make([]string, len(now.peers))
	for i, from := range now.peers {
		names[i] = from.name
	}
	return names
}

// Client returns the connection to a peer, on which its operations have the
// peer's own names; nil if it is not connected. It must not be closed.
func (p *Peers) Client(name string) *Client {
	if from := p.load().peer(name); from != nil {
		return from.client
	}
	return nil
}

// Peer returns a Caller for what one peer offers, under the names that it has
// here. It stays valid when the peer leaves and comes back. Another peer never
// answers in its place: what it does not offer is NOT_FOUND, and everything is
// as long as it is not connected, or a retryable INTERNAL if a [Link] tries.
func (p *Peers) Peer(name string) Caller { return peerCaller{peers: p, name: name} }

// Any returns a Caller for what any peer offers, under the names that it has
// here. Of several peers that offer an operation the first that came answers.
func (p *Peers) Any() Caller { return peerCaller{peers: p, any: true} }

type peerCaller struct {
	peers *Peers
	name  string
	any   bool
}

// Call implements [Caller].
func (c peerCaller) Call(ctx context.Context, operation string, input json.RawMessage) (json.RawMessage, error) {
	e, failure := c.find(operation)
	switch {
	case failure != nil:
		return nil, failure
	case e.op.Type == TypeSubscription:
		return nil, wrongType(e)
	}
	return e.op.Handle(ctx, input)
}

// Subscribe implements [Caller].
func (c peerCaller) Subscribe(ctx context.Context, operation string, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		e, failure := c.find(operation)
		switch {
		case failure != nil:
			yield(nil, failure)
		case e.op.Type != TypeSubscription:
			yield(nil, wrongType(e))
		default:
			e.op.Stream(ctx, input)(yield)
		}
	}
}

func (c peerCaller) find(operation string) (*entry, *Error) {
	name := strings.TrimPrefix(operation, "/")
	switch {
	case c.any:
		if e := c.peers.imported("", name); e != nil {
			return e, nil
		}
	case c.name != "":
		if e := c.peers.imported(c.name, name); e != nil {
			return e, nil
		}
		for _, l := range c.peers.load().links {
			if l.link.Name == c.name && below(name, l.prefix) && c.peers.Client(c.name) == nil {
				return nil, l.link.notConnected()
			}
		}
	}
	return nil, notFound(name)
}
