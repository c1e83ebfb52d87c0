package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// DefaultTimeout is the limit of one attempt at one address.
const DefaultTimeout = 10 * time.Second

const maxAddresses = 8

// Dialer dials nodes. The zero Dialer works: it has no certificate, remembers
// nothing beyond its own life and refuses first contact. Its fields are frozen
// at the first Dial; its methods may be called concurrently.
type Dialer struct {
	// Certificate is asked for the certificate to show, in the middle of a
	// handshake with a server that wants one and has proved who it is; so it
	// may still be on its way when the dial begins. Its error fails the dial.
	// nil: none is shown.
	Certificate func(context.Context) (*tls.Certificate, error)

	// RootCAs are the authorities for names. nil: those of the system.
	RootCAs *x509.CertPool

	// KnownNodes is the memory of keys. nil: every contact is the first one.
	KnownNodes *KnownNodes

	// Confirm is asked at first contact, while no connection is open. It may
	// take as long as ctx lasts, and is called concurrently if Dial is. An
	// error ends the dial. nil: nobody is asked.
	Confirm func(ctx context.Context, c FirstContact) (bool, error)

	// AcceptNew accepts every first contact without asking.
	AcceptNew bool

	// Resolve finds the addresses of a node id: targets with a Host, whose
	// IDs are not looked at. nil: an id alone cannot be dialled.
	Resolve func(ctx context.Context, id auth.NodeID) ([]Target, error)

	// Lookup resolves a DNS name. nil: the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Proxy is the only way out if it is set, for both transports. nil: none.
	Proxy *Proxy

	// Transport returns the QUIC transport to use for an address, for example
	// the one that the node listens on, or nil for a new socket that lives as
	// long as the connection. It is not asked when there is a Proxy. A nil
	// func is one that returns nil.
	Transport func(remote netip.Addr) *quic.Transport

	// NoGRO keeps a new UDP socket from receiving in batches (Linux).
	NoGRO bool

	// Timeout limits one attempt at one address, handshake included.
	// 0: DefaultTimeout.
	Timeout time.Duration

	// Logger is told when known_nodes could not be written although the node
	// was trusted without it. nil: nobody is.
	Logger *slog.Logger

	paths   paths
	started func(candidate) // tests see the order of attempts
}

// FirstContact is what a person decides upon.
type FirstContact struct {
	Target Target
	Key    auth.Key // the server has proved to have it
	Err    error    // why the authorities do not vouch for it
}

// Request says what to dial. Zero fields: any transport, QUIC preferred.
type Request struct {
	Target  Target
	ALPN    string // exactly this one is offered
	Purpose Purpose
	Via     Via
}

// Dial connects to a node and returns the connection when its handshake is
// done; ctx bounds everything up to there and nothing after. Close releases
// all that the connection uses, QUIC's association with a proxy a quarter of a
// second later.
//
// Errors to test for: ErrUnreachable, ErrNotTrusted and the types that are
// either; *NoProtocolError, *ProxyError, *KnownNodesError, and that of ctx. If
// access control refuses, that usually shows in the first use of the
// connection: [Refused]. A node may dial itself.
func (d *Dialer) Dial(ctx context.Context, r Request) (core.Connection, Info, error) {
	if r.Target.IsZero() || len(r.ALPN) == 0 || len(r.ALPN) > 255 {
		return nil, Info{}, errors.New("dial: a target and a protocol name of 1 to 255 bytes are needed")
	}
	e, err := d.dial(ctx, r)
	if err != nil {
		return nil, Info{}, fmt.Errorf("dial: %w", err)
	}
	return e.conn, e.info, nil
}

func (d *Dialer) dial(ctx context.Context, r Request) (*established, error) {
	p, err := d.policy(r)
	if err != nil {
		return nil, err
	}
	addrs, err := d.addresses(ctx, r.Target)
	if err != nil {
		return nil, err
	}
	e, err := d.race(ctx, r, p, addrs)
	if err != nil {
		return nil, err
	}
	if e.verdict.trust == TrustNone {
		e.conn.Close(core.CodeNone, "")
		return d.firstContact(ctx, r, p, addrs, e.verdict)
	}
	d.record(ctx, p, e.verdict)
	return e, nil
}

func (d *Dialer) policy(r Request) (*policy, error) {
	p := &policy{target: r.Target, alpn: r.ALPN, roots: d.RootCAs, own: d.Certificate}
	if !r.Target.ID.IsZero() {
		if p.pin = r.Target.ID.Key(); p.pin.IsZero() {
			return nil, fmt.Errorf("node id %v is no usable key", r.Target.ID)
		}
	}
	if d.KnownNodes != nil && r.Target.Host != "" {
		p.file = d.KnownNodes.Path
		known, err := d.KnownNodes.Lookup(r.Target.Address())
		if err != nil {
			return nil, err
		}
		p.known = known
	}
	return p, nil
}

// firstContact asks, and dials again with the answer: the key is a pin then,
// and the own certificate may be shown.
func (d *Dialer) firstContact(ctx context.Context, r Request, p *policy, addrs []candidate, v verdict) (*established, error) {
	unknown := &UnknownNodeError{Target: r.Target, Key: v.key, Err: v.ca}
	if !d.AcceptNew {
		if d.Confirm == nil {
			return nil, unknown
		}
		ok, err := d.Confirm(ctx, FirstContact{Target: r.Target, Key: v.key, Err: v.ca})
		if err != nil {
			return nil, fmt.Errorf("ask about %s: %w", r.Target.Address(), err)
		}
		if !ok {
			unknown.Declined = true
			return nil, unknown
		}
	}
	accepted := *p
	accepted.known.TOFU = v.key
	e, err := d.race(ctx, r, &accepted, addrs)
	if err != nil {
		return nil, err
	}
	if e.verdict.trust == TrustKnown {
		e.verdict.trust, e.info.Trust = TrustNew, TrustNew
		if d.KnownNodes != nil {
			err = d.KnownNodes.RecordTOFU(ctx, r.Target.Address(), v.key)
		}
	}
	if err != nil {
		e.conn.Close(core.CodeNone, "")
		return nil, err
	}
	d.record(ctx, p, e.verdict)
	return e, nil
}

// record keeps what a pin or an authority has shown. Failing to is no reason
// to refuse a node that was trusted without the file.
func (d *Dialer) record(ctx context.Context, p *policy, v verdict) {
	name := p.target.Address()
	if d.KnownNodes == nil || name == "" {
		return
	}
	var err error
	switch {
	case v.trust == TrustPin && p.known.Pin != v.key:
		err = d.KnownNodes.RecordPin(ctx, name, v.key)
	case v.trust == TrustCA && !p.known.CA:
		err = d.KnownNodes.RecordCA(ctx, name)
	}
	var bad *KnownNodesError
	switch {
	case err == nil || d.Logger == nil:
	case errors.As(err, &bad): // its text may hold an address
		d.Logger.Warn("known_nodes was not updated", "bad_line", bad.Line)
	default:
		d.Logger.Warn("known_nodes was not updated", "error", err)
	}
}

func (d *Dialer) race(ctx context.Context, r Request, p *policy, addrs []candidate) (*established, error) {
	now := time.Now()
	blocked := d.paths.blocked(r.Target, now)
	ra := race{delay: attemptDelay, began: d.started, try: func(ctx context.Context, c candidate) outcome { return d.try(ctx, c, p) }}
	for i, t := range order(r, blocked) {
		for _, c := range addrs {
			c.transport = t
			ra.lanes[i] = append(ra.lanes[i], c)
		}
	}
	if r.Purpose == Bulk && !blocked[TCP] {
		ra.delay = bulkDelay
	}
	e, err := ra.run(ctx)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, failure(ctx, r, ra.failures)
	}
	other := 1 - e.info.Transport
	silent := ra.silenceOf(other)
	d.paths.won(r.Target, e.info.Transport, silent, now)
	blocked = d.paths.blocked(r.Target, now)
	blocked[other] = blocked[other] || silent != none
	e.info.UDPBlocked, e.info.TCPBlocked = blocked[QUIC], blocked[TCP]
	return e, nil
}

// order is which transports to try, the preferred one first.
func order(r Request, blocked [2]bool) []Transport {
	switch r.Via {
	case OnlyQUIC:
		return []Transport{QUIC}
	case OnlyTCP:
		return []Transport{TCP}
	}
	first := QUIC
	if r.Purpose == Bulk {
		first = TCP
	}
	if blocked[first] && !blocked[1-first] {
		first = 1 - first
	}
	return []Transport{first, 1 - first}
}

func failure(ctx context.Context, r Request, attempts []Attempt) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	for _, a := range attempts {
		var np *NoProtocolError
		switch {
		case errors.As(a.Err, &np):
			return np
		case Refused(a.Err):
			return fmt.Errorf("%v refused the connection: %w", r.Target, a.Err)
		}
	}
	return contextual(ctx, &UnreachableError{Target: r.Target, Attempts: attempts})
}

func (d *Dialer) try(parent context.Context, c candidate, p *policy) outcome {
	limit := d.Timeout
	if limit == 0 {
		limit = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(parent, limit)
	defer cancel()
	h := &handshake{policy: p}
	dial := d.dialQUIC
	if c.transport == TCP {
		dial = d.dialTCP
	}
	e, err := dial(ctx, c, h)
	if err != nil {
		err, answered := h.classify(err)
		if errors.Is(err, context.DeadlineExceeded) && parent.Err() == nil {
			err = timedOut(err, limit)
		}
		return outcome{err: err, answered: answered}
	}
	e.info.Proxied = d.Proxy != nil
	return outcome{conn: e}
}

// describe fills in what the handshake says.
func describe(t Transport, addr net.Addr, cs tls.ConnectionState, v verdict) Info {
	return Info{Transport: t, Addr: addr, ALPN: cs.NegotiatedProtocol, Key: v.key, Trust: v.trust, TLS: cs.Version, KEX: cs.CurveID}
}
