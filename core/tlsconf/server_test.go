package tlsconf_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/core/tlsconf"
)

type overTransport func(testing.TB, *tls.Config, *tls.Config) *result

const noProtocol = "tls: no application protocol"

var transports = []struct {
	name   string
	run    overTransport
	config func(*tlsconf.Server) *tls.Config
	web    []string
}{
	{"TCP", overTCP, func(s *tlsconf.Server) *tls.Config { return s.TCP("http/1.1") }, []string{"h2", "http/1.1", "dot"}},
	{"QUIC", overQUIC, (*tlsconf.Server).QUIC, []string{"h3", "doq"}},
}

var nodeNames = []string{"alknet/call", "alknet/ssh", "example.org/echo"}

// The handshake of every pair of names, in both orders, on both transports.
func TestEveryPairOfALPNs(t *testing.T) {
	names := append(slices.Clone(nodeNames), "h3", "h2", "http/1.1", "doq", "dot", "acme-tls/1", "unknown/1")
	server := newServer(t, names[:8]...)
	for _, transport := range transports {
		config := transport.config(server)
		for _, first := range names {
			for _, second := range names {
				offer := []string{first, second}
				if first == second {
					offer = offer[:1]
				}
				t.Run(transport.name+" "+strings.Join(offer, ","), func(t *testing.T) {
					want, face := negotiate(offer, transport.web)
					got := transport.run(t, config, &tls.Config{NextProtos: offer, ServerName: "node.example"})
					if want == "" {
						if got.alert != noProtocol {
							t.Fatalf("got %q and alert %q (%v), want no_application_protocol", got.client.NegotiatedProtocol, got.alert, got.err)
						}
						return
					}
					if got.err != nil || got.client.NegotiatedProtocol != want || got.server.NegotiatedProtocol != want {
						t.Fatalf("got %q, %v; want %q", got.client.NegotiatedProtocol, got.err, want)
					}
					checkFace(t, got, face)
				})
			}
		}
	}
}

// negotiate is the rule in the smallest form: the first name that is served
// chooses the face, the face's own preference chooses among its names.
func negotiate(offer, web []string) (alpn, face string) {
	for _, name := range offer {
		for face, served := range map[string][]string{"node": nodeNames, "web": web} {
			if !slices.Contains(served, name) {
				continue
			}
			for _, preferred := range served {
				if slices.Contains(offer, preferred) {
					return preferred, face
				}
			}
		}
	}
	return "", ""
}

func checkFace(t *testing.T, got *result, face string) {
	t.Helper()
	switch key := got.leafKey().(type) {
	case ed25519.PublicKey:
		if face != "node" {
			t.Errorf("web face shows the node's certificate")
		}
	case *ecdsa.PublicKey:
		if face != "web" {
			t.Errorf("node face shows the web certificate")
		}
	default:
		t.Errorf("certificate on %T", key)
	}
	if got.asked != (face == "node") {
		t.Errorf("client certificate requested: %v on the %s face", got.asked, face)
	}
	if got.client.CurveID != tls.X25519MLKEM768 {
		t.Errorf("key exchange: %v", got.client.CurveID)
	}
}

func TestNoALPN(t *testing.T) {
	full := newServer(t, "alknet/ssh", "h3", "h2", "http/1.1", "dot")
	nodeOnly := newServer(t, "alknet/ssh")
	for _, test := range []struct {
		name    string
		run     overTransport
		config  *tls.Config
		refused bool
	}{
		{"TCP, http/1.1", overTCP, full.TCP("http/1.1"), false},
		{"TCP, dot", overTCP, full.TCP("dot"), false},
		{"TCP, default not served", overTCP, nodeOnly.TCP("http/1.1"), true},
		{"TCP, default of the node face", overTCP, full.TCP("alknet/ssh"), true},
		{"TCP, no default", overTCP, full.TCP(""), true},
		{"QUIC", overQUIC, full.QUIC(), true},
		{"QUIC, node face only", overQUIC, nodeOnly.QUIC(), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.run(t, test.config, &tls.Config{})
			if (got.err != nil) != test.refused {
				t.Fatalf("got %v, want refused: %v", got.err, test.refused)
			}
			if !test.refused {
				if got.client.NegotiatedProtocol != "" {
					t.Errorf("negotiated %q", got.client.NegotiatedProtocol)
				}
				checkFace(t, got, "web")
			}
		})
	}
}

// crypto/tls lets an offer of http/1.1 pass as "" where only h2 is served.
func TestOfferOfHTTP1ToAnH2ServerIsRefused(t *testing.T) {
	got := overTCP(t, newServer(t, "h2").TCP("http/1.1"), &tls.Config{NextProtos: []string{"http/1.1"}})
	if got.alert != noProtocol {
		t.Errorf("got alert %q, %v", got.alert, got.err)
	}
}

func TestVersions(t *testing.T) {
	server := newServer(t, "alknet/ssh", "http/1.1")
	for _, test := range []struct {
		alpn    string
		version uint16
		suites  []uint16
		ok      bool
	}{
		{"alknet/ssh", tls.VersionTLS13, nil, true},
		{"alknet/ssh", tls.VersionTLS12, nil, false},
		{"http/1.1", tls.VersionTLS13, nil, true},
		{"http/1.1", tls.VersionTLS12, nil, true},
		{"http/1.1", tls.VersionTLS11, nil, false},
		{"http/1.1", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}, false},
	} {
		t.Run(fmt.Sprintf("%s %s %v", test.alpn, tls.VersionName(test.version), test.suites), func(t *testing.T) {
			got := overTCP(t, server.TCP("http/1.1"), &tls.Config{
				NextProtos: []string{test.alpn}, MinVersion: test.version, MaxVersion: test.version, CipherSuites: test.suites,
			})
			if (got.err == nil) != test.ok {
				t.Errorf("got %v, want success: %v", got.err, test.ok)
			}
		})
	}
}

func TestCertificateByServerName(t *testing.T) {
	ca := selfSigned(t, p256(t), "node.example")
	server := newServer(t, "alknet/ssh", "h2", "h3")
	server.Certificates = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		switch hello.ServerName {
		case "node.example":
			return &ca, nil
		case "broken.example":
			return nil, errors.New("authority refused broken.example")
		}
		return nil, nil
	}
	for _, test := range []struct {
		transport, alpn, name string
		config                *tls.Config
		want                  string
	}{
		{"TCP", "alknet/ssh", "", server.TCP(""), "node"},
		{"TCP", "alknet/ssh", "node.example", server.TCP(""), "CA"},
		{"TCP", "alknet/ssh", "other.example", server.TCP(""), "node"},
		{"TCP", "h2", "", server.TCP(""), "web"},
		{"TCP", "h2", "node.example", server.TCP(""), "CA"},
		{"TCP", "h2", "other.example", server.TCP(""), "web"},
		{"TCP", "h2", "broken.example", server.TCP(""), "error"},
		{"QUIC", "alknet/ssh", "node.example", server.QUIC(), "CA"},
		{"QUIC", "alknet/ssh", "other.example", server.QUIC(), "node"},
		{"QUIC", "h3", "node.example", server.QUIC(), "CA"},
	} {
		t.Run(test.transport+" "+test.alpn+" "+test.name, func(t *testing.T) {
			run := overTCP
			if test.transport == "QUIC" {
				run = overQUIC
			}
			got := run(t, test.config, &tls.Config{NextProtos: []string{test.alpn}, ServerName: test.name})
			if test.want == "error" {
				if got.err == nil || strings.Contains(got.err.Error(), "broken.example") {
					t.Errorf("got %v, want an error without the name", got.err)
				}
				return
			}
			if got.err != nil {
				t.Fatal(got.err)
			}
			shown := "web"
			if leaf := got.client.PeerCertificates[0]; slices.Contains(leaf.DNSNames, "node.example") {
				shown = "CA"
			} else if _, ok := leaf.PublicKey.(ed25519.PublicKey); ok {
				shown = "node"
			}
			if shown != test.want {
				t.Errorf("shown the %s certificate, want %s", shown, test.want)
			}
		})
	}
}

func TestACMEStandsAlone(t *testing.T) {
	challenge := selfSigned(t, p256(t), "challenge.example")
	server := newServer(t, "alknet/ssh", "h2", "h3")
	server.Certificates = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if slices.Equal(hello.SupportedProtos, []string{"acme-tls/1"}) {
			return &challenge, nil
		}
		return nil, nil
	}
	got := overTCP(t, server.TCP("http/1.1"), &tls.Config{NextProtos: []string{"acme-tls/1"}, ServerName: "challenge.example"})
	if got.err != nil || got.client.NegotiatedProtocol != "acme-tls/1" || got.client.PeerCertificates[0].VerifyHostname("challenge.example") != nil {
		t.Errorf("TCP: got %q, %v", got.client.NegotiatedProtocol, got.err)
	}
	if got := overQUIC(t, server.QUIC(), &tls.Config{NextProtos: []string{"acme-tls/1"}}); got.alert != noProtocol {
		t.Errorf("QUIC: got %q, %v", got.client.NegotiatedProtocol, got.err)
	}
	for _, offer := range [][]string{{"acme-tls/1", "h2"}, {"h2", "acme-tls/1"}} {
		if got := overTCP(t, server.TCP("http/1.1"), &tls.Config{NextProtos: offer}); got.client.NegotiatedProtocol != "h2" {
			t.Errorf("%v: got %q, %v", offer, got.client.NegotiatedProtocol, got.err)
		}
	}
}

func TestClientCertificatePerServerName(t *testing.T) {
	server := newServer(t, "h2", "h3")
	server.RequestClientCertificate = func(name string) bool { return name == "admin.example" }
	for _, transport := range transports {
		for name, want := range map[string]bool{"admin.example": true, "www.example": false} {
			alpn := transport.web[0]
			got := transport.run(t, transport.config(server), &tls.Config{NextProtos: []string{alpn}, ServerName: name})
			if got.err != nil || got.asked != want {
				t.Errorf("%s %s: asked %v, %v; want %v", transport.name, name, got.asked, got.err, want)
			}
		}
	}
}

func TestClientCertificateReachesTheServerUnchecked(t *testing.T) {
	client := ed25519Certificate(t)
	for _, transport := range transports {
		got := transport.run(t, transport.config(newServer(t, "alknet/ssh")), &tls.Config{
			NextProtos:           []string{"alknet/ssh"},
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &client, nil },
		})
		if got.err != nil || len(got.server.PeerCertificates) != 1 {
			t.Errorf("%s: got %d certificates, %v", transport.name, len(got.server.PeerCertificates), got.err)
		}
	}
}

// spreadCache offers whatever ticket it holds to every server.
type spreadCache struct{ held *tls.ClientSessionState }

func (c *spreadCache) Get(string) (*tls.ClientSessionState, bool) { return c.held, c.held != nil }
func (c *spreadCache) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.held = s
	}
}

func TestTicketResumesItsOwnFaceOnly(t *testing.T) {
	server := newServer(t, "alknet/ssh", "h2", "http/1.1", "h3")
	server.RequestClientCertificate = func(name string) bool { return name == "admin.example" }
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			config := transport.config(server)
			web := transport.web[0]
			cache := &spreadCache{}
			handshake := func(alpn, name string) *result {
				t.Helper()
				got := transport.run(t, config, &tls.Config{NextProtos: []string{alpn}, ServerName: name, ClientSessionCache: cache})
				if got.err != nil {
					t.Fatal(got.err)
				}
				return got
			}
			handshake("alknet/ssh", "node.example")
			if cache.held != nil {
				t.Fatal("node face issued a session ticket")
			}
			handshake(web, "node.example")
			if cache.held == nil {
				t.Fatal("web face issued no session ticket")
			}
			if got := handshake("alknet/ssh", "node.example"); got.server.DidResume {
				t.Error("a ticket of the web face resumed on the node face")
			}
			if got := handshake(web, "admin.example"); got.server.DidResume || !got.asked {
				t.Error("a ticket of a name without client certificate resumed where one is requested")
			}
			cache.held = nil
			handshake(web, "node.example")
			if got := handshake(web, "node.example"); !got.server.DidResume {
				t.Error("the web face does not resume its own ticket")
			}
		})
	}
}

func TestValidate(t *testing.T) {
	full := newServer(t, "alknet/ssh", "h2")
	for _, test := range []struct {
		name   string
		server *tlsconf.Server
		want   string
	}{
		{"nothing to serve", &tlsconf.Server{}, "register a handler"},
		{"no node certificate", &tlsconf.Server{NodeALPNs: []string{"alknet/ssh"}}, `"alknet/ssh" needs the node's certificate`},
		{"no web certificate", &tlsconf.Server{WebALPNs: []string{"h2"}}, `"h2" needs a source of web certificates`},
		{"complete", full, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.server.Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func BenchmarkChoose(b *testing.B) {
	server := newServer(b, "alknet/ssh", "h2")
	choose := server.TCP("http/1.1").GetConfigForClient
	hello := &tls.ClientHelloInfo{SupportedProtos: []string{"alknet/ssh"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := choose(hello); err != nil {
			b.Fatal(err)
		}
	}
}
