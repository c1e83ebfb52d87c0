package tlsconf

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Server describes both faces. Set its fields before the first use and do not
// change them afterwards; the methods may be called concurrently.
type Server struct {
	// Node is the certificate around the node key. Required if NodeALPNs is
	// not empty.
	Node tls.Certificate

	// Web makes the self-signed certificates of the web face. Required if
	// WebALPNs is not empty.
	Web *WebCertificates

	// Certificates returns the certificate that a CA issued for the host which
	// the client names (ServerName, empty if it names none), or nil if there
	// is none. It also answers clients whose only protocol is acme-tls/1
	// (RFC 8737). An error fails the handshake. nil means no certificates.
	Certificates func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// RequestClientCertificate says for which server names the web face asks
	// for a client certificate. nil means for none.
	RequestClientCertificate func(serverName string) bool

	// NodeALPNs and WebALPNs are the protocols of the two faces, preferred
	// ones first. See Split.
	NodeALPNs, WebALPNs []string

	once      sync.Once
	quic, tcp *faces
	tickets   ticketKeys
}

// Validate reports what is missing.
func (s *Server) Validate() error {
	switch {
	case len(s.NodeALPNs)+len(s.WebALPNs) == 0:
		return errors.New("no protocol to serve: register a handler")
	case len(s.NodeALPNs) > 0 && (len(s.Node.Certificate) == 0 || s.Node.PrivateKey == nil):
		return fmt.Errorf("protocol %q needs the node's certificate and key", s.NodeALPNs[0])
	case len(s.WebALPNs) > 0 && (s.Web == nil || s.Web.Key == nil):
		return fmt.Errorf("protocol %q needs a source of web certificates", s.WebALPNs[0])
	}
	return nil
}

// QUIC returns the configuration of a QUIC listener.
func (s *Server) QUIC() *tls.Config {
	s.once.Do(s.build)
	return s.outer(func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return s.choose(s.quic, hello), nil
	})
}

// TCP returns the configuration of a TLS listener on TCP. A client that offers
// no protocol at all negotiates "" and is to get defaultALPN; it is refused
// unless that is a protocol of the web face that this server has.
func (s *Server) TCP(defaultALPN string) *tls.Config {
	s.once.Do(s.build)
	hasDefault := IsWeb(defaultALPN) && slices.Contains(s.WebALPNs, defaultALPN)
	return s.outer(func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		offer := hello.SupportedProtos
		switch {
		case len(offer) == 0 && !hasDefault:
			return nil, errNoDefault
		case len(offer) == 0:
			return s.web(s.tcp, hello), nil
		case len(offer) == 1 && offer[0] == ACMEProtocol && s.Certificates != nil:
			return s.tcp.acme, nil
		}
		return s.choose(s.tcp, hello), nil
	})
}

var (
	errNoDefault     = errors.New("client offered no application protocol and this address has no default")
	errNoCertificate = errors.New("no certificate for the name that the client asked for")
)

// outer disables tickets of its own: crypto/tls would otherwise use them for
// every config that has no keys.
func (s *Server) outer(choose func(*tls.ClientHelloInfo) (*tls.Config, error)) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
		GetConfigForClient:     choose,
	}
}

// faces are the configurations of one transport, built once: crypto/tls keeps
// ticket keys in them.
type faces struct {
	nodeALPNs, webALPNs []string

	node, web, webAsking, acme, refusal *tls.Config
}

func (s *Server) build() {
	s.quic = s.newFaces(webOnQUIC, tls.VersionTLS13)
	s.tcp = s.newFaces(webOnTCP, tls.VersionTLS12)
	s.tickets.configs = []*tls.Config{s.quic.web, s.quic.webAsking, s.tcp.web, s.tcp.webAsking}
}

func (s *Server) newFaces(webNames []string, webMin uint16) *faces {
	f := &faces{nodeALPNs: slices.Clone(s.NodeALPNs), webALPNs: only(s.WebALPNs, webNames)}
	f.node = &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             f.nodeALPNs,
		Certificates:           []tls.Certificate{s.Node},
		GetCertificate:         s.namedCertificate, // asked only if the client names a host
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true,
	}
	f.web = &tls.Config{
		MinVersion:     webMin,
		CipherSuites:   tls12Suites,
		NextProtos:     f.webALPNs,
		GetCertificate: s.webCertificate,
	}
	f.webAsking = f.web.Clone()
	f.webAsking.ClientAuth = tls.RequestClientCert
	f.acme = &tls.Config{
		MinVersion:             tls.VersionTLS12,
		NextProtos:             []string{ACMEProtocol},
		GetCertificate:         s.acmeCertificate,
		SessionTicketsDisabled: true,
	}
	// An empty NextProtos would accept every offer, and so would "h2" alone
	// one of "http/1.1"; nobody can offer this name by accident.
	f.refusal = &tls.Config{
		MinVersion:             tls.VersionTLS12,
		NextProtos:             []string{"\x00refused"},
		SessionTicketsDisabled: true,
	}
	return f
}

// tls12Suites are the forward-secret AEAD suites; TLS 1.3 has its own.
var tls12Suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// choose never picks a face that shares no name with the offer, so that
// negotiation either succeeds or ends with no_application_protocol.
func (s *Server) choose(f *faces, hello *tls.ClientHelloInfo) *tls.Config {
	for _, name := range hello.SupportedProtos {
		switch {
		case slices.Contains(f.nodeALPNs, name):
			return f.node
		case slices.Contains(f.webALPNs, name):
			return s.web(f, hello)
		}
	}
	return f.refusal
}

func (s *Server) web(f *faces, hello *tls.ClientHelloInfo) *tls.Config {
	s.tickets.rotate()
	if ask := s.RequestClientCertificate; ask != nil && ask(hello.ServerName) {
		return f.webAsking
	}
	return f.web
}

// fromCA drops the text of the error: it may carry the name, which is not for
// the log.
func (s *Server) fromCA(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.Certificates == nil {
		return nil, nil
	}
	cert, err := s.Certificates(hello)
	if err != nil {
		return nil, errNoCertificate
	}
	return cert, nil
}

func (s *Server) namedCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		return nil, nil
	}
	return s.fromCA(hello)
}

func (s *Server) webCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert, err := s.fromCA(hello); cert != nil || err != nil {
		return cert, err
	}
	return s.Web.Certificate()
}

func (s *Server) acmeCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := s.fromCA(hello)
	if cert == nil && err == nil {
		err = errNoCertificate
	}
	return cert, err
}
