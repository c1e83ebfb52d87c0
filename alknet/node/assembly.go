package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"

	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/alknet/internal/metrics"
	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/alknet/internal/settings"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/core/dial"
	"github.com/alkdev/alknet/core/endpoint"
	"github.com/alkdev/alknet/core/tlsconf"
	alkhttp "github.com/alkdev/alknet/http"
	"github.com/alkdev/alknet/ssh"
)

// assemble is the one page on which everything that a node consists of is
// wired together, by hand.
func (n *Node) assemble() error {
	book, err := peerbook.Load(n.dir.Peers())
	if err != nil {
		return err
	}
	n.store, err = config.NewStore(n.ID().Key(), dynamic(n.settings, book))
	if err != nil {
		return err
	}
	n.metrics = metrics.New()
	failures := config.NewFailures(n.store.Limits)

	n.web = n.keys.WebCertificates(n.settings.ACME.Domains)
	files, err := loadCertificates(n.dir.Path(), n.settings.TLS.Certificates)
	if err != nil {
		return err
	}
	n.files.Store(&files)
	if err := n.openACME(); err != nil {
		return err
	}

	sshServer, err := n.sshServer(failures)
	if err != nil {
		return err
	}
	if err := n.openCalls(failures); err != nil {
		return err
	}
	n.router = &core.Router{Logger: n.log}
	handlers := []core.ProtocolHandler{n.httpServer(failures), sshServer, n.calls}
	for _, h := range append(handlers, n.cfg.Handlers...) {
		if err := n.router.Register(h); err != nil {
			return err
		}
	}

	nodeCertificate, err := n.keys.Certificate()
	if err != nil {
		return err
	}
	faces := &tlsconf.Server{Node: nodeCertificate, Web: n.web, Certificates: n.certificates}
	faces.NodeALPNs, faces.WebALPNs = tlsconf.Split(n.router.ALPNs())

	reset, err := n.keys.Secret("quic-stateless-reset")
	if err != nil {
		return err
	}
	token, err := n.keys.Secret("quic-address-token")
	if err != nil {
		return err
	}
	n.endpoint = &endpoint.Endpoint{
		Router:            n.router,
		TLS:               faces,
		Identities:        n.store,
		Changed:           n.store.Changed,
		Limits:            n.store.Limits,
		Logger:            n.log,
		Metrics:           observer{n.metrics},
		Observe:           n.watchers.publish,
		DrainTimeout:      n.settings.Drain.Value(),
		StatelessResetKey: reset,
		TokenKey:          token,
		NoGRO:             n.settings.Transport.GRO != nil && !*n.settings.Transport.GRO,
	}
	n.dialer = &dial.Dialer{
		Certificate: func(context.Context) (*tls.Certificate, error) { return &nodeCertificate, nil },
		KnownNodes:  &dial.KnownNodes{Path: n.dir.KnownNodes()},
	}
	n.makeLinks()
	return nil
}

func (n *Node) sshServer(failures *config.Failures) (*ssh.Server, error) {
	key, err := n.keys.HostKey()
	if err != nil {
		return nil, err
	}
	signer, err := gossh.NewSignerFromSigner(key)
	if err != nil {
		return nil, fmt.Errorf("use SSH host key: %w", err)
	}
	return &ssh.Server{
		HostKeys:   []gossh.Signer{signer},
		Identities: n.store,
		Logger:     n.log,
		Failures:   failures,
		Shell:      n.settings.SSH.Shell,
	}, nil
}

func (n *Node) httpServer(failures *config.Failures) *alkhttp.Server {
	s := &alkhttp.Server{
		Identities: n.store,
		Failures:   failures,
		Status:     n.statusPage,
		WellKnown:  n.wellKnown,
		Call:       n.calls,
		Logger:     n.log,
	}
	if n.settings.ACME.Forwarded {
		s.AltSvcPort = 443
	}
	if n.settings.HTTP.Metrics {
		s.Metrics = n.metrics
	}
	return s
}

// certificates asks the owner's files first, then ACME.
func (n *Node) certificates(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := n.files.Load().find(hello); c != nil {
		return c, nil
	}
	if n.acme != nil {
		return n.acme.Certificate(hello)
	}
	return nil, nil
}

type certificateFiles []*tls.Certificate

func loadCertificates(dir string, list []settings.Certificate) (certificateFiles, error) {
	var out certificateFiles
	for _, c := range list {
		cert, err := tls.LoadX509KeyPair(below(dir, c.Cert), below(dir, c.Key))
		if err != nil {
			return nil, fmt.Errorf("load certificate %s: %w: correct [[tls.certificates]] in config.toml", c.Cert, err)
		}
		out = append(out, &cert)
	}
	return out, nil
}

func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// find returns the certificate whose names cover the one asked for. Without a
// name there is none: the self-signed certificate answers.
func (f certificateFiles) find(hello *tls.ClientHelloInfo) *tls.Certificate {
	if hello.ServerName == "" {
		return nil
	}
	for _, c := range f {
		if c.Leaf != nil && c.Leaf.VerifyHostname(hello.ServerName) == nil {
			return c
		}
	}
	return nil
}
