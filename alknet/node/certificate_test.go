package node_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/datadir"
)

// issue writes a certificate for a.example and its key.
func issue(t *testing.T, d datadir.Dir, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"a.example"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	for name, block := range map[string]*pem.Block{
		"a.pem": {Type: "CERTIFICATE", Bytes: der},
		"a.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		check(t, os.WriteFile(d.File("certs", name), pem.EncodeToMemory(block), 0o600))
	}
}

// served is the serial number of the certificate for a.example.
func served(t *testing.T, addr string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "a.example", NextProtos: []string{"h2"}, InsecureSkipVerify: true})
	check(t, err)
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestRenewedCertificate: a certificate that was renewed in its file is in use
// from the next reload on, and a faulty one changes nothing at all.
func TestRenewedCertificate(t *testing.T) {
	d := newDir(t)
	const config = "[[tls.certificates]]\ncert = \"certs/a.pem\"\nkey = \"certs/a.key\"\n"
	check(t, os.WriteFile(d.Config(), []byte(config), 0o600))
	issue(t, d, 1001)
	n, _ := run(t, d)
	addr := n.Addrs()[0]
	if got := served(t, addr); got != 1001 {
		t.Fatalf("at first certificate %d", got)
	}
	issue(t, d, 1002)
	if got := served(t, addr); got != 1001 {
		t.Errorf("before the reload certificate %d", got)
	}
	if again, err := n.Reload(); err != nil || len(again) != 0 {
		t.Errorf("reload: %v, %v", again, err)
	}
	if got := served(t, addr); got != 1002 {
		t.Errorf("after the reload certificate %d", got)
	}

	check(t, os.WriteFile(d.File("certs", "a.pem"), []byte("torn"), 0o600))
	const peer = "[[peer]]\nname = \"x\"\nkeys = [\"SHA256:00000000000000000000000000000000000000000000000000000000000000aa\"]\n"
	check(t, os.WriteFile(d.Peers(), []byte(peer), 0o600))
	if _, err := n.Reload(); err == nil {
		t.Error("a faulty certificate was taken")
	}
	if got := served(t, addr); got != 1002 {
		t.Errorf("after the refused reload certificate %d", got)
	}
	if got := peers(t, d); got != 0 {
		t.Errorf("after the refused reload %d peers", got)
	}

	check(t, os.WriteFile(d.Config(), nil, 0o600)) // no certificate any more
	if again, err := n.Reload(); err != nil || len(again) != 0 {
		t.Errorf("reload: %v, %v", again, err)
	}
	if got := served(t, addr); got == 1002 {
		t.Error("a certificate that is not configured any more is in use")
	}
	if got := peers(t, d); got != 1 {
		t.Errorf("after the reload %d peers", got)
	}
}

func peers(t *testing.T, d datadir.Dir) int {
	t.Helper()
	socket, err := d.Socket()
	check(t, err)
	s, err := admin.NewClient(socket).Status(t.Context())
	check(t, err)
	return s.Peers
}
