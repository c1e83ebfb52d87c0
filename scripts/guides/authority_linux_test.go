package guides

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/alkdev/alknet/scripts/netlab"
)

// The names of Let's Encrypt's two directories (https://letsencrypt.org/docs),
// which the guides' configuration says or implies.
const (
	production = "acme-v02.api.letsencrypt.org"
	staging    = "acme-staging-v02.api.letsencrypt.org"
)

// authority plays Let's Encrypt in host h: a Pebble for each directory behind a
// server on port 443 that has their names. It returns the roots that a machine
// trusts: that of the servers, and that of what the production one issues.
func (w *world) authority(h *netlab.Host) []byte {
	w.t.Helper()
	root, servers := w.serverCertificate()
	issuer := w.pebble(h, production, "14001", "15001")
	w.pebble(h, staging, "14002", "15002")
	ports := map[string]string{production: "14001", staging: "14002"}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: "127.0.0.1:" + ports[r.In.Host]})
			r.Out.Host = r.In.Host // of which Pebble makes its links
			if r.In.URL.Path == "/directory" {
				r.Out.URL.Path = "/dir"
			}
		},
		Transport: transport(h),
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	listener := w.listen(h, ":443")
	srv := &http.Server{Handler: proxy, TLSConfig: &tls.Config{Certificates: []tls.Certificate{servers}}, ErrorLog: proxy.ErrorLog}
	w.serve(func() error { return srv.ServeTLS(listener, "", "") }, srv.Close)
	return append(root, issuer...)
}

// serve runs a server until the end of the test.
func (w *world) serve(run, stop func() error) {
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			w.t.Error(err)
		}
	})
}

func (w *world) listen(h *netlab.Host, addr string) net.Listener {
	w.t.Helper()
	l, err := h.Listen("tcp", addr)
	w.must(err)
	return l
}

// transport reaches the listeners of the host, whoever they say they are.
func transport(h *netlab.Host) *http.Transport {
	return &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
		DialContext:       h.Dial,
	}
}

// pebble starts an authority and returns the root of what it issues.
func (w *world) pebble(h *netlab.Host, name, port, management string) []byte {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	w.must(os.Mkdir(dir, 0o700))
	_, own := w.serverCertificate()
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	w.must(err)
	cert := filepath.Join(dir, "cert.pem")
	w.must(os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), 0o600))
	w.must(os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:" + port, "managementListenAddress": "127.0.0.1:" + management,
		"certificate": cert, "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": 80, "tlsPort": 443, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "ninety days", "validityPeriod": 7776000}},
	}})
	w.must(err)
	w.must(os.WriteFile(filepath.Join(dir, "pebble.json"), config, 0o600))
	cmd := h.Command(context.Background(), w.tools.pebble, "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", w.nameServer(h))
	cmd.Env = []string{"PEBBLE_VA_NOSLEEP=1"}
	said, err := os.Create(filepath.Join(dir, "log"))
	w.must(err)
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	w.must(cmd.Start())
	w.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if said, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && w.t.Failed() {
			w.t.Logf("%s said:\n%s", name, said)
		}
	})
	client := http.Client{Transport: transport(h)}
	var root []byte
	if !poll(20*time.Second, func() bool {
		resp, err := client.Get("https://127.0.0.1:" + management + "/roots/0")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		root, err = io.ReadAll(resp.Body)
		return err == nil
	}) {
		w.t.Fatalf("%s does not start", name)
	}
	return root
}

// serverCertificate makes the certificate of a server with both names, and the
// root above it.
func (w *world) serverCertificate() (root []byte, server tls.Certificate) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root of the guides"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{production, staging}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	w.must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// nameServer answers, over TCP as Pebble asks, with the addresses of machines.
func (w *world) nameServer(h *netlab.Host) string {
	w.t.Helper()
	l := w.listen(h, "127.0.0.1:0")
	w.serve(func() error {
		var conns sync.WaitGroup
		defer conns.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return err
			}
			conns.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				for w.resolve(c) == nil {
				}
			})
		}
	}, l.Close)
	return l.Addr().String()
}

// resolve reads and answers one message (RFC 1035, section 4.2.2).
func (w *world) resolve(c net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, raw); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil || len(m.Questions) != 1 {
		return fmt.Errorf("not one question: %w", err)
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	q := m.Questions[0]
	if addr, ok := w.addresses[q.Name.String()]; ok && q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()},
		}}
	}
	raw, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...))
	return err
}
