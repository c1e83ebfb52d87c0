package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/dial"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/tlsconf"
)

const alpn = "alknet/bench"

// identity returns the same self-signed certificate for the same seed.
func identity(seed byte) (tls.Certificate, auth.NodeID) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "bench"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<33, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		panic(err) // a fixed input
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, auth.NodeID(key.Public().(ed25519.PublicKey))
}

func shows(cert *tls.Certificate) func(context.Context) (*tls.Certificate, error) {
	return func(context.Context) (*tls.Certificate, error) { return cert, nil }
}

// faces is the TLS configuration of both servers.
func faces(alpns ...string) *tlsconf.Server {
	cert, _ := identity(1)
	return &tlsconf.Server{Node: cert, NodeALPNs: alpns}
}

// clientTLS is what the dialler does, for the peer's client.
func clientTLS() *tls.Config {
	cert, _ := identity(2)
	_, server := identity(1)
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{cert},
		NextProtos:         []string{alpn},
		InsecureSkipVerify: true, // VerifyConnection pins
		VerifyConnection: func(cs tls.ConnectionState) error {
			if auth.CertificateKey(cs.PeerCertificates[0]) != server.Key() {
				return errors.New("wrong key")
			}
			return nil
		},
	}
}

// serveNode serves the bench protocol.
func serveNode(listen string, plain bool) (addr string, stop func(), err error) {
	return serveProtocol(listen, plain, core.HandlerFunc(alpn, eachStream(func(s core.Stream) { serveStream(s) })))
}

func eachStream(serve func(core.Stream)) func(context.Context, core.Connection, *core.AuthContext) error {
	return func(ctx context.Context, conn core.Connection, _ *core.AuthContext) error {
		for {
			s, err := conn.AcceptStream(ctx)
			if err != nil {
				return err
			}
			go func() {
				defer s.Close()
				serve(s)
			}()
		}
	}
}

// serveProtocol serves one protocol on a node whose only peer is the client.
func serveProtocol(listen string, plain bool, handler core.ProtocolHandler) (addr string, stop func(), err error) {
	router := &core.Router{}
	if err := router.Register(handler); err != nil {
		return "", nil, err
	}
	cert, _ := identity(2)
	client, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return "", nil, err
	}
	store, err := config.NewStore(auth.Key{}, config.Dynamic{
		Peers:  []auth.Peer{{Name: "client", Keys: []auth.Key{auth.CertificateKey(client)}}},
		Limits: config.Limits{ConnsPerIdentity: 1 << 20},
	})
	if err != nil {
		return "", nil, err
	}
	e := &endpoint.Endpoint{Router: router, TLS: faces(handler.ALPNs()...), Identities: store, Changed: store.Changed, Limits: store.Limits, NoGRO: plain}
	if err := e.Listen(listen); err != nil {
		return "", nil, err
	}
	go e.Serve(context.Background())
	return e.Addrs()[0], func() { e.Close() }, nil
}

type bareStream struct{ *quic.Stream }

func (s bareStream) CloseWrite() error { return s.Stream.Close() }

// serveBare is the same on quic-go alone.
func serveBare(listen string) (addr string, stop func(), err error) {
	at, err := net.ResolveUDPAddr("udp", listen)
	if err != nil {
		return "", nil, err
	}
	udp, err := net.ListenUDP("udp", at)
	if err != nil {
		return "", nil, err
	}
	tr := &quic.Transport{Conn: udp}
	ln, err := tr.Listen(faces(alpn).QUIC(), endpoint.QUICConfig())
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				for {
					s, err := conn.AcceptStream(context.Background())
					if err != nil {
						return
					}
					go func() {
						defer s.CancelRead(0)
						serveStream(bareStream{s})
					}()
				}
			}()
		}
	}()
	return udp.LocalAddr().String(), func() { tr.Close(); udp.Close() }, nil
}

// client is a connection of either kind.
type client struct {
	open  func() (stream, error)
	close func()
}

// end is a server of the bench protocol and its clients.
type end struct {
	name   string // for helpers
	serve  func(listen string) (addr string, stop func(), err error)
	dialer func(addr string) func() (client, error) // each connection from a socket of its own
}

var (
	node = end{"node", func(l string) (string, func(), error) { return serveNode(l, false) },
		nodeDialer(false, dial.OnlyQUIC)}
	plainNode = end{"plain-node", func(l string) (string, func(), error) { return serveNode(l, true) },
		nodeDialer(true, dial.OnlyQUIC)} // batched receive off
	bareQUIC = end{"bare", serveBare, bareDialer}
)

func endNamed(name string) (end, error) {
	for _, e := range []end{node, plainNode, bareQUIC, racing, nodeTCP, tcp, tcpCubic, tcpBBR} {
		if e.name == name {
			return e, nil
		}
	}
	return end{}, fmt.Errorf("no end %q", name)
}

const loopback = "127.0.0.1:0"

// connected returns a connection to a server of its own.
func (e end) connected() (client, func(), error) {
	addr, stop, err := e.serve(loopback)
	if err != nil {
		return client{}, nil, err
	}
	c, err := e.dialer(addr)()
	if err != nil {
		stop()
		return client{}, nil, err
	}
	return c, func() { c.close(); stop() }, nil
}

func nodeDialer(plain bool, via dial.Via) func(addr string) func() (client, error) {
	return func(addr string) func() (client, error) {
		connect := connector(addr, alpn, plain, via)
		return func() (client, error) {
			conn, err := connect()
			if err != nil {
				return client{}, err
			}
			return client{
				open:  func() (stream, error) { return conn.OpenStream(context.Background()) },
				close: func() { conn.Close(core.CodeNone, "") },
			}, nil
		}
	}
}

// connector makes the certificate once, however often it is called then.
func connector(addr, alpn string, plain bool, via dial.Via) func() (core.Connection, error) {
	cert, _ := identity(2)
	_, server := identity(1)
	d := &dial.Dialer{Certificate: shows(&cert), NoGRO: plain}
	target, err := dial.ParseTarget(fmt.Sprintf("alknet://%s@%s", server, addr))
	return func() (core.Connection, error) {
		if err != nil {
			return nil, err
		}
		conn, _, err := d.Dial(context.Background(), dial.Request{Target: target, ALPN: alpn, Via: via})
		return conn, err
	}
}

func bareDialer(addr string) func() (client, error) {
	return func() (client, error) {
		to, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return client{}, err
		}
		udp, err := net.ListenUDP("udp", nil)
		if err != nil {
			return client{}, err
		}
		tr := &quic.Transport{Conn: udp}
		conn, err := tr.Dial(context.Background(), to, clientTLS(), endpoint.QUICConfig())
		if err != nil {
			return client{}, err
		}
		return client{
			open: func() (stream, error) {
				s, err := conn.OpenStreamSync(context.Background())
				return bareStream{s}, err
			},
			close: func() { conn.CloseWithError(0, ""); tr.Close(); udp.Close() },
		}, nil
	}
}
