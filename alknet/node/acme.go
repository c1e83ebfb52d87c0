package node

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/alkdev/alknet/core/acme"
)

func (n *Node) openACME() error {
	c := n.settings.ACME
	if len(c.Domains) == 0 {
		return nil
	}
	roots, err := loadRoots(n.dir.Path(), c.CAFile)
	if err != nil {
		return err
	}
	config := acme.Config{
		Domains:   c.Domains,
		Folder:    n.dir.Certificates(),
		Directory: c.Directory,
		Roots:     roots,
		Email:     c.Email,
		Logger:    n.log,
	}
	if n.settings.ReachableOn443() {
		config.Challenges = append(config.Challenges, acme.TLSALPN01)
	}
	if c.HTTPListen != "" {
		config.Challenges = append(config.Challenges, acme.HTTP01)
		if n.redirect, err = net.Listen("tcp", c.HTTPListen); err != nil {
			return fmt.Errorf("listen for HTTP-01 on %s: %w: correct acme.http_listen", c.HTTPListen, err)
		}
	}
	n.acme, err = acme.New(config)
	return err
}

func loadRoots(dir, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(below(dir, file))
	if err != nil {
		return nil, fmt.Errorf("read acme.ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("acme.ca_file %s holds no PEM certificate", file)
	}
	return pool, nil
}

// serveRedirect answers HTTP-01 and sends everybody else to HTTPS.
func (n *Node) serveRedirect(ctx context.Context) error {
	srv := &http.Server{
		Handler:           n.acme.ChallengeHandler(http.HandlerFunc(redirect)),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(n.redirect); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func redirect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "use HTTPS", http.StatusBadRequest)
		return
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusMovedPermanently)
}
