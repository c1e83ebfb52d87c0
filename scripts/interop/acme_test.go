//go:build unix

package interop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	wire "encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A node with [acme] in its configuration gets a certificate of a real ACME
// authority by TLS-ALPN-01 on the port that serves everything else, curl
// verifies it over HTTP/1.1 and HTTP/2, and pinned nodes notice nothing.
func TestACMEOnTheOnePort(t *testing.T) {
	curl, pebble := need(t, "curl"), need(t, "pebble")
	n := &node{dir: filepath.Join(t.TempDir(), "node")}
	n.alknet(t, "init").want(t, 0)
	addr := freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	ca := startCA(t, pebble, port)
	config := fmt.Sprintf("[acme]\ndomains = [\"node.test\"]\ndirectory = %q\nca_file = %q\nforwarded = true\n", ca.directory, ca.own)
	if err := os.WriteFile(filepath.Join(n.dir, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start(t, addr)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the node said:\n%s", n.stderr.String())
		}
	})
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, ca.issuer(t), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-sS", "--cacert", root, "--resolve", "node.test:" + port + ":127.0.0.1", "-w", " %{http_version}", "https://node.test:" + port + "/healthz"}
	out := await(t, time.Minute, func() (outcome, bool) {
		o := run(t, "", curl, args...)
		return o, o.code == 0
	})
	if out.stdout != "ok\n 2" {
		t.Errorf("HTTP/2 over the issued certificate: %q", out.stdout)
	}
	if o := run(t, "", curl, append(args, "--http1.1")...).want(t, 0); o.stdout != "ok\n 1.1" {
		t.Errorf("HTTP/1.1 over the issued certificate: %q", o.stdout)
	}
	for _, via := range []string{"quic", "tcp"} {
		newClient(t).alknet(t, "ping", "--via", via, n.target()).want(t, 0)
	}
}

func await(t *testing.T, limit time.Duration, try func() (outcome, bool)) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for {
		o, ok := try()
		if ok {
			return o
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: exit code %d, %s", limit, o.code, o.stderr)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// authority is a Pebble whose validation comes to one port of loopback.
type authority struct {
	directory, management string
	own                   string // PEM file: the certificate of its listeners
	client                *http.Client
}

func startCA(t *testing.T, pebble, tlsPort string) *authority {
	t.Helper()
	dir := t.TempDir()
	ca := &authority{own: filepath.Join(dir, "cert.pem")}
	key := filepath.Join(dir, "key.pem")
	ca.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: listenerCertificate(t, ca.own, key)}}}
	listen, management := freeAddress(t), freeAddress(t)
	ca.directory, ca.management = "https://"+listen+"/dir", "https://"+management
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management,
		"certificate": ca.own, "privateKey": key,
		"httpPort": 1, "tlsPort": json.Number(tlsPort), "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "ninety days", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(pebble, "-config", path, "-dnsserver", answerEverything(t))
	cmd.Env = append(environment(t), "PEBBLE_VA_NOSLEEP=1")
	var said lockedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("pebble said:\n%s", said.String())
		}
	})
	await(t, 20*time.Second, func() (outcome, bool) {
		_, err := ca.get(ca.directory)
		return outcome{stderr: fmt.Sprint(err)}, err == nil
	})
	return ca
}

func (ca *authority) get(url string) ([]byte, error) {
	resp, err := ca.client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// issuer is the root of what the authority issues.
func (ca *authority) issuer(t *testing.T) []byte {
	t.Helper()
	root, err := ca.get(ca.management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func listenerCertificate(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for path, block := range map[string][]byte{certFile: cert, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(path, block, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bytes.Clone(cert))
	return pool
}

// answerEverything is a name server, over TCP as Pebble asks, for which every
// host is 127.0.0.1.
func answerEverything(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		conns.Wait()
	})
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				for answerOne(c) == nil {
				}
			})
		}
	})
	return l.Addr().String()
}

// answerOne reads and answers one message (RFC 1035, section 4.2.2).
func answerOne(c net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	raw := make([]byte, wire.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, raw); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(raw); err != nil || len(m.Questions) != 1 {
		return fmt.Errorf("not one question: %w", err)
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	raw, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = c.Write(append(wire.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...))
	return err
}
