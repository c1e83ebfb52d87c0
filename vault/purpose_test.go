package vault_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/vault"
)

type edPublic = ed25519.PublicKey

var pure = crypto.Hash(0)

func nodeKey(t testing.TB) *vault.NodeKey {
	t.Helper()
	k, err := unlocked(t, "").NodeKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func certificateVerify(context string, hash int) []byte {
	return append([]byte(strings.Repeat(" ", 64)+context+"\x00"), make([]byte, hash)...)
}

const (
	serverContext = "TLS 1.3, server CertificateVerify"
	clientContext = "TLS 1.3, client CertificateVerify"
)

func TestNodeKeySignsTLS13Only(t *testing.T) {
	k := nodeKey(t)
	for _, c := range []struct {
		name    string
		message []byte
		opts    crypto.SignerOpts
		want    error
	}{
		{"server, SHA-256", certificateVerify(serverContext, 32), pure, nil},
		{"client, SHA-384", certificateVerify(clientContext, 48), pure, nil},
		{"ed25519.Options", certificateVerify(clientContext, 48), &ed25519.Options{}, nil},
		{"empty", nil, pure, vault.ErrPurpose},
		{"no hash", certificateVerify(serverContext, 0), pure, vault.ErrPurpose},
		{"hash too long", certificateVerify(serverContext, 64), pure, vault.ErrPurpose},
		{"63 spaces", certificateVerify(serverContext, 32)[1:], pure, vault.ErrPurpose},
		{"65 spaces", append([]byte(" "), certificateVerify(serverContext, 32)...), pure, vault.ErrPurpose},
		{"another context", certificateVerify("TLS 1.3, client CertificateVerifi", 32), pure, vault.ErrPurpose},
		{"exported authenticator", certificateVerify("Exported Authenticator", 32), pure, vault.ErrPurpose},
		{"TLS 1.2 key exchange", make([]byte, 64+36), pure, vault.ErrPurpose},
		{"SSH user authentication", []byte("\x00\x00\x00\x20session\x32\x00\x00\x00\x04user"), pure, vault.ErrPurpose},
		{"prehashed", certificateVerify(serverContext, 32), crypto.SHA512, vault.ErrPurpose},
		{"context variant", certificateVerify(serverContext, 32), &ed25519.Options{Context: "x"}, vault.ErrPurpose},
		{"no options", certificateVerify(serverContext, 32), nil, vault.ErrPurpose},
	} {
		t.Run(c.name, func(t *testing.T) {
			signature, err := k.Sign(nil, c.message, c.opts)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("error = %v, want %v", err, c.want)
			}
			if err == nil && !ed25519.Verify(k.Public().(edPublic), c.message, signature) {
				t.Error("bad signature")
			}
		})
	}
}

func TestNodeCertificateInTLSHandshake(t *testing.T) {
	k := nodeKey(t)
	der, err := k.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
	pinned := func(s tls.ConnectionState) error {
		if public, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey); !ok || !public.Equal(k.Public()) {
			return errors.New("another key")
		}
		return nil
	}
	handshake := func(version uint16) error {
		config := &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert, VerifyConnection: pinned, MaxVersion: version}
		listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		served := make(chan error, 1)
		go func() {
			conn, err := listener.Accept()
			if err == nil {
				err = conn.(*tls.Conn).HandshakeContext(t.Context())
				conn.Close()
			}
			served <- err
		}()
		client, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{Certificates: []tls.Certificate{certificate}, InsecureSkipVerify: true, VerifyConnection: pinned})
		if err == nil {
			defer client.Close()
		}
		return errors.Join(err, <-served)
	}
	if err := handshake(tls.VersionTLS13); err != nil {
		t.Errorf("TLS 1.3: %v", err)
	}
	if err := handshake(tls.VersionTLS12); err == nil {
		t.Error("TLS 1.2 handshake succeeded: the node key signed something else than CertificateVerify")
	}
}

func TestNodeCertificate(t *testing.T) {
	k := nodeKey(t)
	der, err := k.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := nodeKey(t).Certificate()
	if !bytes.Equal(der, again) {
		t.Error("the certificate changes from call to call")
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		t.Error(err)
	}
	if public, ok := c.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(k.Public()) {
		t.Errorf("public key = %v", c.PublicKey)
	}
	if c.Version != 3 || c.IsCA || c.KeyUsage != x509.KeyUsageDigitalSignature || len(c.ExtKeyUsage) != 2 || c.SerialNumber.Sign() <= 0 {
		t.Errorf("certificate = v%d, CA %v, usage %v %v, serial %v", c.Version, c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.SerialNumber)
	}
	if now := time.Now(); now.Before(c.NotBefore) || now.After(c.NotAfter) || c.NotAfter.Year() != 9999 {
		t.Errorf("valid from %v to %v", c.NotBefore, c.NotAfter)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c)
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
}

func TestSignMessage(t *testing.T) {
	k := nodeKey(t)
	public := k.Public().(edPublic)
	signature, err := k.SignMessage("ssh-host-key", []byte("data"))
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(public, []byte("alknet/ssh-host-key/v1\x00data"), signature) {
		t.Error("the input is not alknet/<purpose>/v1, zero, data")
	}
	for _, c := range []struct {
		name, purpose, data string
		public              edPublic
		want                bool
	}{
		{"same", "ssh-host-key", "data", public, true},
		{"another purpose", "ssh-host-ke", "ydata", public, false},
		{"other data", "ssh-host-key", "Data", public, false},
		{"bad purpose", "SSH", "data", public, false},
		{"short key", "ssh-host-key", "data", public[:31], false},
	} {
		if got := vault.VerifyMessage(c.public, c.purpose, []byte(c.data), signature); got != c.want {
			t.Errorf("%s: VerifyMessage = %v", c.name, got)
		}
	}
	for _, purpose := range []string{"", "A", "a/b", "a\x00", "ä", strings.Repeat("a", 65)} {
		if _, err := k.SignMessage(purpose, nil); !errors.Is(err, vault.ErrLabel) {
			t.Errorf("purpose %q: %v", purpose, err)
		}
	}
	if _, err := k.SignMessage("a", make([]byte, 1<<20+1)); !errors.Is(err, vault.ErrTooLong) {
		t.Errorf("long message: %v", err)
	}
}

func TestSignItem(t *testing.T) {
	k := nodeKey(t)
	for _, c := range []struct {
		name, salt string
		seq        int64
		value      string
		input      string // "" when refused
	}{
		{"BEP 44 example", "", 1, "12:Hello World!", "3:seqi1e1:v12:Hello World!"},
		{"BEP 44 example with salt", "foobar", 1, "12:Hello World!", "4:salt6:foobar3:seqi1e1:v12:Hello World!"},
		{"pkarr", "", 1700000000, "3:\x00\x01\x02", "3:seqi1700000000e1:v3:\x00\x01\x02"},
		{"dictionary", "", 0, "d1:ai-1e1:bl0:ee", "3:seqi0e1:vd1:ai-1e1:bl0:ee"},
		{"negative sequence", "", -1, "0:", ""},
		{"long salt", strings.Repeat("s", 65), 1, "0:", ""},
		{"long value", "", 1, "1000:" + strings.Repeat("v", 1000), ""},
		{"empty", "", 1, "", ""},
		{"two values", "", 1, "0:0:", ""},
		{"short string", "", 1, "5:abc", ""},
		{"leading zero", "", 1, "01:a", ""},
		{"minus zero", "", 1, "i-0e", ""},
		{"unsorted keys", "", 1, "d1:bi1e1:ai1ee", ""},
		{"key twice", "", 1, "d1:ai1e1:ai1ee", ""},
		{"empty key twice", "", 1, "d0:i1e0:i1ee", ""},
		{"open list", "", 1, "li1e", ""},
		{"deep", "", 1, strings.Repeat("l", 400) + strings.Repeat("e", 400), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			signature, err := k.SignItem([]byte(c.salt), c.seq, []byte(c.value))
			if c.input == "" {
				if !errors.Is(err, vault.ErrItem) {
					t.Errorf("error = %v, want ErrItem", err)
				}
				return
			}
			if err != nil || !ed25519.Verify(k.Public().(edPublic), []byte(c.input), signature) {
				t.Errorf("signature does not fit %q (%v)", c.input, err)
			}
		})
	}
}

// No input that one purpose signs may be signed by another.
func TestPurposesDoNotCollide(t *testing.T) {
	k := nodeKey(t)
	public := k.Public().(edPublic)
	der, err := k.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	message, _ := k.SignMessage("tls", []byte("data"))
	item, _ := k.SignItem(nil, 3, []byte("4:data"))
	salted, _ := k.SignItem([]byte("salt"), 3, []byte("4:data"))
	inputs := map[string]struct{ input, signature []byte }{
		"X.509":         {certificate.RawTBSCertificate, certificate.Signature},
		"message":       {[]byte("alknet/tls/v1\x00data"), message},
		"BEP 44":        {[]byte("3:seqi3e1:v4:data"), item},
		"BEP 44 salted": {[]byte("4:salt4:salt3:seqi3e1:v4:data"), salted},
	}
	for _, role := range []string{serverContext, clientContext} {
		input := certificateVerify(role, 32)
		signature, err := k.Sign(nil, input, pure)
		if err != nil {
			t.Fatal(err)
		}
		inputs[role] = struct{ input, signature []byte }{input, signature}
	}
	for a, x := range inputs {
		if !ed25519.Verify(public, x.input, x.signature) {
			t.Errorf("%s: this is not what was signed", a)
		}
		if _, err := k.Sign(nil, x.input, pure); (err == nil) != strings.HasPrefix(a, "TLS") {
			t.Errorf("the TLS signer on the input of %s: %v", a, err)
		}
		for b, y := range inputs {
			sameKind := a[:3] == b[:3]
			if a != b && !sameKind && x.input[0] == y.input[0] {
				t.Errorf("%s and %s begin with the same byte", a, b)
			}
			if a != b && (bytes.HasPrefix(x.input, y.input) || ed25519.Verify(public, x.input, y.signature)) {
				t.Errorf("%s and %s collide", a, b)
			}
		}
	}
}

func TestSSHHostKey(t *testing.T) {
	v := unlocked(t, "")
	host, err := v.SSHHostKey()
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(host.Public().(edPublic)); got != "6a9dd5c41915fba6cc22b8760263aba45b068cae7bead1d069c7b8eeb0118134" {
		t.Errorf("public = %s", got)
	}
	hash := make([]byte, 32)
	signature, err := host.Sign(rand.Reader, hash, pure)
	if err != nil || !ed25519.Verify(host.Public().(edPublic), hash, signature) {
		t.Errorf("Sign: %v", err)
	}
	signer, err := ssh.NewSignerFromSigner(host)
	if err != nil {
		t.Fatal(err)
	}
	if signature, err := signer.Sign(rand.Reader, hash); err != nil || signer.PublicKey().Verify(hash, signature) != nil {
		t.Errorf("through x/crypto/ssh: %v", err)
	}
	if _, err := host.Sign(nil, hash, crypto.SHA256); !errors.Is(err, vault.ErrPurpose) {
		t.Errorf("prehashed: %v", err)
	}
}

func TestWebKey(t *testing.T) {
	v := unlocked(t, "")
	first, err := v.WebKey(1)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := unlocked(t, "").WebKey(1)
	next, _ := v.WebKey(2)
	public := first.Public().(*ecdsa.PublicKey)
	if !public.Equal(again.Public()) || public.Equal(next.Public()) {
		t.Error("the key must depend on vault and epoch only")
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "web"}, NotAfter: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	one, err := x509.CreateCertificate(nil, template, template, first.Public(), first)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := x509.CreateCertificate(nil, template, template, again.Public(), again)
	if !bytes.Equal(one, two) {
		t.Error("two runs give different certificates")
	}
	digest := sha256.Sum256([]byte("x"))
	signature, err := first.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil || !ecdsa.VerifyASN1(public, digest[:], signature) {
		t.Errorf("Sign: %v", err)
	}
}

func TestSecret32(t *testing.T) {
	v := unlocked(t, "")
	seen := map[[32]byte]string{}
	for _, label := range []string{"quic-stateless-reset", "quic-token", "tls-ticket"} {
		s, err := v.Secret32(label)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[s]; ok || s == [32]byte{} {
			t.Errorf("%s equals %s", label, other)
		}
		seen[s] = label
		if again, _ := unlocked(t, "").Secret32(label); again != s {
			t.Errorf("%s changes from run to run", label)
		}
		if other, _ := unlocked(t, "x").Secret32(label); other == s {
			t.Errorf("%s is the same in another vault", label)
		}
	}
	for _, label := range []string{"", "Token", strings.Repeat("a", 65)} {
		if _, err := v.Secret32(label); !errors.Is(err, vault.ErrLabel) {
			t.Errorf("label %q: %v", label, err)
		}
	}
}
