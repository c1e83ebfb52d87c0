package acme_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
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
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// pebble is Let's Encrypt's authority for tests, as a process of its own.
type pebble struct {
	directory, management string
	roots                 *x509.CertPool // of its own listener
	issuers               *x509.CertPool // of what it issues

	cmd  *exec.Cmd
	out  lockedBuffer
	done chan struct{}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func pebbleProgram(t *testing.T) string {
	t.Helper()
	name := "pebble"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	places := []string{filepath.Join("..", "..", "bin", name)}
	if found, err := exec.LookPath(name); err == nil {
		places = append(places, found)
	}
	if out, err := exec.Command("go", "env", "GOPATH").Output(); err == nil {
		places = append(places, filepath.Join(strings.TrimSpace(string(out)), "bin", name))
	}
	for _, place := range places {
		if path, err := filepath.Abs(place); err == nil {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path
			}
		}
	}
	const missing = "pebble not found: run scripts/bootstrap"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// pebbleConfig says where pebble listens and where it looks for the node.
type pebbleConfig struct {
	listen, management string // free ports if empty
	dns                string // resolver; one of its own if empty
	httpPort, tlsPort  int
	extra              map[string]any
}

func startPebble(t *testing.T, c pebbleConfig) *pebble {
	t.Helper()
	program, folder := pebbleProgram(t), t.TempDir()
	if c.listen == "" {
		c.listen = freeAddress(t)
	}
	if c.management == "" {
		c.management = freeAddress(t)
	}
	p := &pebble{
		directory: "https://" + c.listen + "/dir", management: "https://" + c.management,
		roots: serverCertificate(t, folder), done: make(chan struct{}),
	}
	settings := map[string]any{
		"listenAddress": c.listen, "managementListenAddress": c.management,
		"certificate": filepath.Join(folder, "cert.pem"), "privateKey": filepath.Join(folder, "key.pem"),
		"httpPort": c.httpPort, "tlsPort": c.tlsPort, "keyAlgorithm": "ecdsa",
		"domainBlocklist": []string{"blocked.example"},
		"retryAfter":      map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{
			"default": map[string]any{"description": "ninety days", "validityPeriod": 7776000},
			"brief":   map[string]any{"description": "five days", "validityPeriod": 432000},
		},
	}
	for k, v := range c.extra {
		settings[k] = v
	}
	config, err := json.Marshal(map[string]any{"pebble": settings})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "pebble.json")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.dns == "" {
		c.dns = startDNS(t)
	}
	p.cmd = exec.Command(program, "-config", path, "-dnsserver", c.dns)
	p.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20", "PEBBLE_AUTHZREUSE=0")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("pebble said:\n%s", p.out.String())
		}
	})
	p.await(t)
	return p
}

func (p *pebble) stop() {
	p.cmd.Process.Kill()
	<-p.done
}

// await returns when both listeners answer.
func (p *pebble) await(t *testing.T) {
	t.Helper()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		if _, err := p.request(http.MethodGet, p.directory, nil); err == nil {
			if root, err := p.request(http.MethodGet, p.management+"/roots/0", nil); err == nil {
				p.issuers = x509.NewCertPool()
				p.issuers.AppendCertsFromPEM(root)
				return
			}
		}
		select {
		case <-every.C:
		case <-p.done:
			t.Fatal("pebble ended")
		case <-t.Context().Done():
			t.Fatal("pebble does not answer")
		}
	}
}

func (p *pebble) request(method, url string, body []byte) ([]byte, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, data)
	}
	return data, err
}

// suggest sets the renewal window of a certificate.
func (p *pebble) suggest(t *testing.T, cert *x509.Certificate, start, end time.Time) {
	t.Helper()
	window, _ := json.Marshal(map[string]any{"suggestedWindow": map[string]any{"start": start.UTC(), "end": end.UTC()}})
	body, _ := json.Marshal(map[string]any{
		"certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
		"ariResponse": string(window),
	})
	if _, err := p.request(http.MethodPost, p.management+"/set-renewal-info/", body); err != nil {
		t.Fatalf("set renewal window: %v", err)
	}
}

// orders counts the orders that pebble got.
func (p *pebble) orders() int { return strings.Count(p.out.String(), "POST /order-plz -> ") }

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serverCertificate writes the certificate of pebble's own listeners.
func serverCertificate(t *testing.T, folder string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "directory"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// startDNS answers every question for an A record with 127.0.0.1, over TCP,
// which is what pebble asks by.
func startDNS(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				for answerDNS(conn) == nil {
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wait.Wait()
	})
	return l.Addr().String()
}

func answerDNS(conn net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	var msg dnsmessage.Message
	if err := msg.Unpack(query); err != nil {
		return err
	}
	msg.Response, msg.RecursionAvailable, msg.Additionals = true, true, nil
	for _, q := range msg.Questions {
		if q.Type == dnsmessage.TypeA {
			msg.Answers = append(msg.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	answer, err := msg.AppendPack(make([]byte, 2, 512))
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint16(answer, uint16(len(answer)-2))
	_, err = conn.Write(answer)
	return err
}
