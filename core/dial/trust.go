package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/alkdev/alknet/core/auth"
)

// policy decides whether a server is the node that was meant. It is shared by
// all handshakes of one dial and read-only.
type policy struct {
	target Target
	alpn   string
	pin    auth.Key // the target's id; zero: none
	known  Known
	file   string // of known, for messages
	roots  *x509.CertPool
	own    func(context.Context) (*tls.Certificate, error) // may be nil
}

// verdict is the outcome of one handshake's decision. Until the handshake is
// over, possession of key is not proved.
type verdict struct {
	trust Trust // TrustNone: first contact, nothing may be shown yet
	key   auth.Key
	ca    error // why the authorities do not vouch, if they were asked
}

func (p *policy) decide(cs tls.ConnectionState) (verdict, error) {
	if cs.NegotiatedProtocol != p.alpn {
		return verdict{}, &NoProtocolError{Target: p.target, ALPN: p.alpn}
	}
	if len(cs.PeerCertificates) == 0 {
		return verdict{}, fmt.Errorf("%w: the server shows no certificate", ErrNotTrusted)
	}
	key := auth.CertificateKey(cs.PeerCertificates[0])
	if !p.pin.IsZero() {
		if key != p.pin {
			return verdict{}, &WrongKeyError{Target: p.target, Got: key}
		}
		return verdict{trust: TrustPin, key: key}, nil
	}
	if key.IsZero() {
		return verdict{}, fmt.Errorf("%w: the key in the server's certificate is unusable", ErrNotTrusted)
	}
	want := p.known.Pin
	if want.IsZero() && !p.known.CA {
		want = p.known.TOFU
	}
	if key == want {
		return verdict{trust: TrustKnown, key: key}, nil // without reading the system's authorities
	}
	caErr := p.verifyCA(cs.PeerCertificates)
	if caErr == nil {
		return verdict{trust: TrustCA, key: key}, nil
	}
	if p.known.CA && want.IsZero() {
		return verdict{}, &DowngradeError{Target: p.target, File: p.file, Got: key, Err: caErr}
	}
	if want.IsZero() {
		return verdict{key: key, ca: caErr}, nil
	}
	return verdict{}, &KeyChangedError{Target: p.target, File: p.file, Want: want, Got: key}
}

func (p *policy) verifyCA(chain []*x509.Certificate) error {
	opts := x509.VerifyOptions{Roots: p.roots, DNSName: p.hostName(), Intermediates: x509.NewCertPool()}
	for _, cert := range chain[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(opts)
	return err
}

// hostName is the name that the certificate must bear, a zone left out.
func (p *policy) hostName() string {
	if ip, err := netip.ParseAddr(p.target.Host); err == nil {
		return ip.WithZone("").String()
	}
	return p.target.Host
}

// noServerName keeps both TLS stacks from sending a name: they send none for
// an IP address (RFC 6066, section 3).
const noServerName = "0.0.0.0"

// handshake is one TLS handshake under a policy.
type handshake struct {
	policy  *policy
	verdict atomic.Pointer[verdict]
	failure atomic.Pointer[error] // of decide, or of the own certificate
}

// config returns the configuration of exactly one handshake.
//
// In TLS 1.3 a client calls VerifyConnection when it has read the server's
// certificate, then checks the CertificateVerify and Finished messages, and
// only then asks GetClientCertificate (RFC 8446, section 2). That the server
// holds the key is therefore certain in the latter, not in the former.
func (h *handshake) config() *tls.Config {
	c := &tls.Config{
		ServerName:             noServerName,
		NextProtos:             []string{h.policy.alpn},
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		InsecureSkipVerify:     true, // VerifyConnection decides, in its place
		VerifyConnection:       h.verify,
		GetClientCertificate:   h.clientCertificate,
	}
	if h.policy.pin.IsZero() {
		c.ServerName = h.policy.hostName()
	}
	return c
}

func (h *handshake) verify(cs tls.ConnectionState) error {
	v, err := h.policy.decide(cs)
	if err != nil {
		h.failure.Store(&err)
		return err
	}
	h.verdict.Store(&v)
	return nil
}

func (h *handshake) clientCertificate(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	v := h.verdict.Load()
	if v == nil || v.trust == TrustNone || h.policy.own == nil {
		return new(tls.Certificate), nil
	}
	cert, err := h.policy.own(info.Context())
	if err != nil {
		err = fmt.Errorf("own certificate: %w", err)
		h.failure.Store(&err)
		return nil, err
	}
	return cert, nil
}

// classify turns the error of a failed handshake into what it means for the
// dial. answered says whether a TLS server was there.
func (h *handshake) classify(err error) (_ error, answered bool) {
	if f := h.failure.Load(); f != nil {
		return *f, true
	}
	alert, remote := remoteAlert(err)
	switch {
	case remote && alert == alertNoApplicationProtocol:
		return &NoProtocolError{Target: h.policy.target, ALPN: h.policy.alpn}, true
	case remote:
		return err, true
	case h.verdict.Load() != nil && isHandshakeFault(err):
		return fmt.Errorf("%w: the server at %s does not prove that it holds its key: %w", ErrNotTrusted, place(h.policy.target), err), true
	}
	return err, h.verdict.Load() != nil
}

// check looks at a finished handshake once more and returns its verdict.
func (h *handshake) check(cs tls.ConnectionState) (verdict, error) {
	v := h.verdict.Load()
	if v == nil || !cs.HandshakeComplete {
		return verdict{}, fmt.Errorf("%w: the handshake was not verified", ErrNotTrusted)
	}
	if cs.NegotiatedProtocol != h.policy.alpn || cs.Version < tls.VersionTLS13 {
		return verdict{}, &NoProtocolError{Target: h.policy.target, ALPN: h.policy.alpn}
	}
	return *v, nil
}
