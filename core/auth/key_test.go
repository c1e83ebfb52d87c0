package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/core/auth"
)

// RFC 8032 section 7.1, tests 1 and 2; the z-base-32 forms come from a
// separate computation on big integers.
const (
	hex1  = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
	node1 = "47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy"
	hex2  = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
	node2 = "8iybxo9eeqriirizbkuw4g56z1qjomgxf5njpdgy3ik9nkzwcagy"
)

// Made by ssh-keygen of OpenSSH, with the digests that ssh-keygen -l printed.
const (
	lineEd25519   = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINgKGtSUSeTOg22ot3aUjg4GOc81gG9+GHQAx4405be6 me@example.org"
	lineECDSA     = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMZKCT17JDi9G+hmArwQDnpPdTlpGC1ElICiajjcmhyRKwxAI8+mVI/OBoOHjta0V/RSx4Raqx04hoXb8HpKKXA= me@example.org"
	lineRSA       = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDwizXcyV3V/8P7XMwyWvPh+OIEeYosf0kUIJQPLlllaL6Py3tYR35cuD1aybipJnXk7xlX5RQgJ6UBj/PQIaS9g4eOY3AfbZg80IfyKqVT7nfaMv70D9CpqByr1ji2bolWXpQDR6K2cvp1bO2tCWkXLj5xRb6HpFsf90Z8EDunWw== me@example.org"
	digestEd25519 = "fqiniNx845/om8yar4CbFWm6hdYSnx92wsHMuz3T1dI"
	digestECDSA   = "XkuXUudLyOAzlww5NunhtEbmQysUVofEty40wsBfg04"
	digestRSA     = "VMD6nWn9wihlERSREhNLyw+VLcRFJVIdZ40/d+DxWrk"
)

var digits = strings.Repeat("0123456789abcdef", 4)

func TestParsePeerKey(t *testing.T) {
	edHex := hex.EncodeToString(blobOf(t, lineEd25519)[19:])
	tests := []struct{ name, in, want string }{
		{"ed25519", "ed25519:" + hex1, "ed25519:" + hex1},
		{"node id", node1, "ed25519:" + hex1},
		{"second node id", node2, "ed25519:" + hex2},
		{"ssh digest", "ssh:SHA256:" + digestRSA, "ssh:SHA256:" + digestRSA},
		{"certificate", "x509:SHA256:" + digits, "x509:SHA256:" + digits},
		{"older spelling of a certificate", "SHA256:" + digits, "x509:SHA256:" + digits},
		{"surrounding space", " " + node1 + "\n", "ed25519:" + hex1},
		{"plain ssh-ed25519 line", lineEd25519, "ed25519:" + edHex},
		{"ecdsa line", lineECDSA, "ssh:SHA256:" + digestECDSA},
		{"rsa line", lineRSA + "\n", "ssh:SHA256:" + digestRSA},
		{"no comment", strings.Join(strings.Fields(lineRSA)[:2], " "), "ssh:SHA256:" + digestRSA},
		{"comment of several words", lineRSA + " and more", "ssh:SHA256:" + digestRSA},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := auth.ParsePeerKey(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := k.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			again, err := auth.ParseKey(k.String())
			if err != nil || again != k {
				t.Errorf("parsed again: %v, %v", again, err)
			}
		})
	}
}

func TestParsePeerKeyRefuses(t *testing.T) {
	point := func(hexDigits string) string { return "ed25519:" + hexDigits }
	tests := []struct{ name, in, want string }{
		{"empty", "", "not a node id"},
		{"upper-case hex", point(strings.ToUpper(hex1)), "lower-case"},
		{"short hex", point(hex1[2:]), "64 hexadecimal digits"},
		{"no hex", point("g" + hex1[1:]), "not hexadecimal"},
		{"identity point", point("01" + strings.Repeat("00", 31)), "small order"},
		{"order two", point("ec" + strings.Repeat("ff", 30) + "7f"), "small order"},
		{"order four", point(strings.Repeat("00", 32)), "small order"},
		{"order eight", point("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "small order"},
		{"order eight, other sign", point("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"), "small order"},
		{"y = 2 is on no curve point", point("02" + strings.Repeat("00", 31)), "small order"},
		{"y = p + 3 is not canonical", point("f0" + strings.Repeat("ff", 30) + "7f"), "small order"},
		{"what ssh-keygen -l prints", "SHA256:" + digestEd25519, "public key line"},
		{"padded base64", "ssh:SHA256:" + digestRSA + "=", "unpadded base64"},
		{"base64 with trailing bits", "ssh:SHA256:" + digestRSA[:42] + "l", "unpadded base64"},
		{"line break in base64", "ssh:SHA256:" + digestRSA[:20] + "\n" + digestRSA[20:42], ""},
		{"authorized_keys options", `from="10.0.0.1" ` + lineRSA, "options"},
		{"two lines", lineRSA + "\n" + lineECDSA, "more than one line"},
		{"type and blob differ", strings.Replace(lineEd25519, "ssh-ed25519", "ssh-rsa", 1), "not a key of type"},
		{"cut blob", "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blobOf(t, lineEd25519)[:40]), "damaged"},
		{"long blob", "ssh-ed25519 " + base64.StdEncoding.EncodeToString(append(blobOf(t, lineEd25519), 0)), "damaged"},
		{"ssh certificate", "ssh-ed25519-cert-v01@openssh.com " + base64.StdEncoding.EncodeToString(sshBlob("ssh-ed25519-cert-v01@openssh.com", "x")), "certificates"},
		{"private key", "-----BEGIN OPENSSH PRIVATE KEY-----", "private key"},
		{"too long", strings.Repeat("a", 20000), "too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := auth.ParsePeerKey(tt.in)
			if err == nil || !k.IsZero() {
				t.Fatalf("accepted as %v", k)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not contain %q", err, tt.want)
			}
		})
	}
}

func TestParseKeyKeepsTokensOutOfErrors(t *testing.T) {
	secret, _, err := auth.NewToken("ci")
	if err != nil {
		t.Fatal(err)
	}
	_, err = auth.ParsePeerKey(secret.Reveal())
	if err == nil || strings.Contains(err.Error(), secret.Reveal()) {
		t.Errorf("error shows the token: %v", err)
	}
}

// A FIDO key holds an Ed25519 point and must not equal the plain key.
func TestSSHKeyFIDOIsAnotherKey(t *testing.T) {
	point := string(blobOf(t, lineEd25519)[19:])
	plain := auth.SSHKey("ssh-ed25519", sshBlob("ssh-ed25519", point))
	fido := auth.SSHKey("sk-ssh-ed25519@openssh.com", sshBlob("sk-ssh-ed25519@openssh.com", point, "ssh:"))
	if plain.IsZero() || fido.IsZero() || plain == fido {
		t.Errorf("plain %v, fido %v", plain, fido)
	}
	if !strings.HasPrefix(fido.String(), "ssh:SHA256:") {
		t.Errorf("fido key is %v", fido)
	}
	if _, ok := fido.Ed25519(); ok {
		t.Error("the fido key passes for an Ed25519 key")
	}
}

func TestSSHKeyRefuses(t *testing.T) {
	good := sshBlob("ssh-rsa", "e", "n")
	huge := append(binary.BigEndian.AppendUint32(nil, 1<<31), "ssh-rsa"...)
	tests := []struct {
		name, keyType string
		blob          []byte
	}{
		{"nil", "ssh-rsa", nil},
		{"no type", "", sshBlob("", "x")},
		{"other type", "ssh-dss", good},
		{"only a type", "ssh-rsa", sshBlob("ssh-rsa")},
		{"length beyond the blob", "ssh-rsa", huge},
		{"small order point", "ssh-ed25519", sshBlob("ssh-ed25519", strings.Repeat("\x00", 32))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if k := auth.SSHKey(tt.keyType, tt.blob); !k.IsZero() {
				t.Errorf("got %v", k)
			}
		})
	}
}

func TestEd25519Key(t *testing.T) {
	for _, n := range []int{0, 31, 33} {
		if k := auth.Ed25519Key(make([]byte, n)); !k.IsZero() {
			t.Errorf("%d bytes gave %v", n, k)
		}
	}
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := auth.Ed25519Key(pub)
	got, ok := k.Ed25519()
	if !ok || !got.Equal(pub) {
		t.Fatalf("got %x, want %x", got, pub)
	}
	got[0]++
	if again, _ := k.Ed25519(); !again.Equal(pub) {
		t.Error("the returned slice is the key's own memory")
	}
}

// Every generated key must pass: half of all points would fail a wrong
// square test.
func TestEveryRealKeyIsValid(t *testing.T) {
	for range 200 {
		pub, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if auth.Ed25519Key(pub).IsZero() {
			t.Fatalf("%x is refused", pub)
		}
	}
}

func TestCertificateKey(t *testing.T) {
	pub, priv, _ := ed25519.GenerateKey(rand.Reader)
	_, caPriv, _ := ed25519.GenerateKey(rand.Reader)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		cert *x509.Certificate
		want string // prefix
	}{
		{"self-signed Ed25519", certificate(t, pub, priv), auth.Ed25519Key(pub).String()},
		{"Ed25519 issued by a CA", certificate(t, pub, caPriv), "x509:SHA256:"},
		{"self-signed ECDSA", certificate(t, ec.Public(), ec), "x509:SHA256:"},
		{"Ed25519 signed with ECDSA", certificate(t, pub, ec), "x509:SHA256:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := auth.CertificateKey(tt.cert).String(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if k := auth.CertificateKey(nil); !k.IsZero() {
		t.Errorf("nil gave %v", k)
	}
	if k := auth.CertificateKey(&x509.Certificate{PublicKey: pub}); !k.IsZero() {
		t.Errorf("a certificate without DER gave %v", k)
	}
}

func TestKeyText(t *testing.T) {
	type doc struct {
		Keys []auth.Key
		ID   auth.NodeID
		None auth.Key
	}
	var in, out doc
	text := `{"Keys":["` + node1 + `","` + lineRSA + `"],"ID":"` + node2 + `","None":""}`
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &out); err != nil {
		t.Fatal(err)
	}
	if out.Keys[0] != in.Keys[0] || out.Keys[1] != in.Keys[1] || out.ID != in.ID || !out.None.IsZero() {
		t.Errorf("got %+v, want %+v", out, in)
	}
}

func TestParseNodeID(t *testing.T) {
	id, err := auth.ParseNodeID(node1)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(id.PublicKey()); got != hex1 {
		t.Errorf("got %s, want %s", got, hex1)
	}
	if id.String() != node1 {
		t.Errorf("got %s, want %s", id, node1)
	}
	if back, ok := id.Key().NodeID(); !ok || back != id {
		t.Errorf("got %v, want %v", back, id)
	}
	tests := []struct{ name, in string }{
		{"empty", ""},
		{"upper case", strings.ToUpper(node1)},
		{"short", node1[1:]},
		{"long", node1 + "y"},
		{"letter outside the alphabet", "l" + node1[1:]},
		{"trailing bits", node1[:51] + "b"},
		{"line break", node1[:50] + "\ny"},
		{"order four", strings.Repeat("y", 52)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := auth.ParseNodeID(tt.in); err == nil {
				t.Errorf("accepted as %v", got)
			}
		})
	}
}

func blobOf(t *testing.T, line string) []byte {
	t.Helper()
	blob, err := base64.StdEncoding.DecodeString(strings.Fields(line)[1])
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func sshBlob(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func certificate(t *testing.T, pub crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "node"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1, 0),
	}
	issuer := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"}}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, pub, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
