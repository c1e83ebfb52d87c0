package endpoint_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/internal/quicconn"
)

var (
	nodeNames = []string{"alknet/call", "alknet/ssh", "example.org/echo"}
	webNames  = map[string][]string{"quic": {"h3", "doq"}, "tcp": {"h2", "http/1.1", "dot"}}
)

func everyProtocol() []core.ProtocolHandler {
	var handlers []core.ProtocolHandler
	for _, name := range slices.Concat(nodeNames, webNames["quic"], webNames["tcp"]) {
		handlers = append(handlers, answer(name))
	}
	return handlers
}

// Every pair of names in both orders reaches the handler of the first name that
// is served, or one that its face prefers, or is refused.
func TestEveryPairOfALPNs(t *testing.T) {
	n := start(t, nil, everyProtocol()...)
	names := slices.Concat(nodeNames, webNames["quic"], webNames["tcp"], []string{"acme-tls/1", "unknown/1"})
	for _, transport := range transports {
		for _, first := range names {
			for _, second := range names {
				t.Run(fmt.Sprint(transport.name, " ", first, ",", second), func(t *testing.T) {
					want := negotiate([]string{first, second}, webNames[transport.name])
					conn, err := transport.dial(t, n.addr, offer(nil, slices.Compact([]string{first, second})...))
					if want == "" {
						if err == nil || !strings.Contains(err.Error(), "no application protocol") {
							t.Fatalf("got %v, want no_application_protocol", err)
						}
						return
					}
					if err != nil || conn.ALPN() != want {
						t.Fatalf("got %v, want %q", err, want)
					}
					mustAsk(t, conn, want)
				})
			}
		}
	}
}

func negotiate(offer, web []string) string {
	for _, name := range offer {
		for _, face := range [][]string{nodeNames, web} {
			if !slices.Contains(face, name) {
				continue
			}
			return face[slices.IndexFunc(face, func(n string) bool { return slices.Contains(offer, n) })]
		}
	}
	return ""
}

func TestUnknownALPNIsRefusedInTheHandshake(t *testing.T) {
	n := start(t, nil, answer("alknet/ssh"))
	for _, transport := range transports {
		if _, err := transport.dial(t, n.addr, offer(nil, "alknet/other")); err == nil || !strings.Contains(err.Error(), "no application protocol") {
			t.Errorf("%s: got %v", transport.name, err)
		}
	}
}

func TestNoALPN(t *testing.T) {
	n := start(t, nil, everyProtocol()...)
	mustAsk(t, mustDial(t, dialTCP, n.addr, offer(nil)), "http/1.1")
	if _, err := dialQUIC(t, n.addr, offer(nil)); err == nil {
		t.Error("QUIC without ALPN was accepted")
	}
	nodeOnly := start(t, nil, answer("alknet/ssh"))
	for _, transport := range transports {
		if _, err := transport.dial(t, nodeOnly.addr, offer(nil)); err == nil {
			t.Errorf("%s without ALPN reached a node protocol", transport.name)
		}
	}
}

// Both faces answer on the same socket with their own certificate, and only
// the node's asks for one.
func TestTwoFacesOnOneSocket(t *testing.T) {
	n := start(t, nil, everyProtocol()...)
	for _, transport := range transports {
		for _, alpn := range []string{transport.web, "alknet/ssh"} {
			asked := false
			config := offer(nil, alpn)
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				return &tls.Certificate{}, nil
			}
			state := mustDial(t, transport.dial, n.addr, config).TLS()
			switch key := state.PeerCertificates[0].PublicKey.(type) {
			case ed25519.PublicKey:
				if alpn == transport.web || !asked {
					t.Errorf("%s %s: node certificate, client certificate requested: %v", transport.name, alpn, asked)
				}
			case *ecdsa.PublicKey:
				if alpn != transport.web || asked {
					t.Errorf("%s %s: web certificate, client certificate requested: %v", transport.name, alpn, asked)
				}
			default:
				t.Errorf("%s %s: certificate on %T", transport.name, alpn, key)
			}
		}
	}
}

type heldTicket struct{ state *tls.ClientSessionState }

func (h *heldTicket) Get(string) (*tls.ClientSessionState, bool) { return h.state, h.state != nil }
func (h *heldTicket) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		h.state = s
	}
}

func TestTicketOfOneFaceOfferedToTheOther(t *testing.T) {
	n := start(t, nil, everyProtocol()...)
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			cache := &heldTicket{}
			resumed := func(alpn string) bool {
				t.Helper()
				config := offer(nil, alpn)
				config.ClientSessionCache = cache
				conn := mustDial(t, transport.dial, n.addr, config)
				mustAsk(t, conn, alpn)
				return conn.TLS().DidResume
			}
			resumed("alknet/ssh")
			if cache.state != nil {
				t.Fatal("the node face issued a ticket")
			}
			resumed(transport.web)
			if cache.state == nil {
				t.Fatal("the web face issued no ticket")
			}
			if resumed("alknet/ssh") {
				t.Error("the node face resumed a session of the web face")
			}
			if !resumed(transport.web) {
				t.Error("the web face did not resume its own session")
			}
		})
	}
}

func TestUnidirectionalStreamIsRefused(t *testing.T) {
	n := start(t, nil, answer("alknet/ssh"))
	tr := clientTransport(t, "127.0.0.1")
	qc, err := tr.Dial(t.Context(), udpAddr(t, n.addr), offer(nil, "alknet/ssh"), quicconn.Config())
	if err != nil {
		t.Fatal(err)
	}
	uni, err := qc.OpenUniStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	uni.Write([]byte("x"))
	closedWith(t, quicconn.Dialed(qc), core.CodeProtocol)
}
