package dial

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/alkdev/alknet/core/auth"
)

// Transport is what a connection runs on.
type Transport uint8

const (
	QUIC Transport = iota // UDP
	TCP                   // TLS over TCP
)

func (t Transport) String() string {
	if t == TCP {
		return "tcp"
	}
	return "quic"
}

// Purpose is what a connection is for, and so which transport is preferred.
type Purpose uint8

const (
	// Interactive prefers QUIC: one round trip to set up, streams that do not
	// wait for each other, and it survives a change of address.
	Interactive Purpose = iota
	// Bulk prefers TLS over TCP, where the kernel does the transport's work.
	Bulk
)

// Via restricts the transport.
type Via uint8

const (
	Auto Via = iota // either
	OnlyQUIC
	OnlyTCP
)

// ParseVia reads auto, quic or tcp.
func ParseVia(s string) (Via, error) {
	for _, v := range []Via{Auto, OnlyQUIC, OnlyTCP} {
		if s == v.String() {
			return v, nil
		}
	}
	return Auto, fmt.Errorf("transport %q: choose auto, quic or tcp", s)
}

func (v Via) String() string {
	switch v {
	case OnlyQUIC:
		return "quic"
	case OnlyTCP:
		return "tcp"
	}
	return "auto"
}

// Trust is why a server was believed to be the node that was meant.
type Trust uint8

const (
	TrustNone  Trust = iota
	TrustPin         // it has the key of the node id that was given
	TrustCA          // an authority vouches for the name
	TrustKnown       // it has the key that known_nodes holds
	TrustNew         // first contact: accepted and recorded just now
)

func (t Trust) String() string {
	switch t {
	case TrustPin:
		return "pin"
	case TrustCA:
		return "ca"
	case TrustKnown:
		return "known"
	case TrustNew:
		return "new"
	}
	return "none"
}

// Info describes a connection that Dial has made.
type Info struct {
	Transport Transport
	Addr      net.Addr // the node's; through a proxy, the name or address that the proxy was given
	Proxied   bool
	ALPN      string

	Key   auth.Key // the server's, proved
	Trust Trust
	TLS   uint16      // version
	KEX   tls.CurveID // key exchange group

	// RTT is the round trip time that the handshake has measured: QUIC's
	// smallest sample, or the time of TCP's connect. Through a proxy, TCP's is
	// the time of the TLS handshake.
	RTT time.Duration
	// Handshake is the time from the first packet to the end of the handshake.
	Handshake time.Duration

	// UDPBlocked and TCPBlocked say that this transport had no answer from
	// this node while the other had one: in this dial, or so clearly within the
	// last hour that it was not tried first.
	UDPBlocked, TCPBlocked bool
}

// NodeID returns the server's key as a node id. It is false for a server
// behind a certificate of an authority, which has another key.
func (i Info) NodeID() (auth.NodeID, bool) { return i.Key.NodeID() }
