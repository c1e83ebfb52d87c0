package node

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/alkdev/alknet/core/tlsconf"
	alkhttp "github.com/alkdev/alknet/http"
)

// WellKnownPurpose is the purpose under which the node key signs the document
// at /.well-known/alknet: docs/wire/well-known.md.
const WellKnownPurpose = "well-known"

// Card is what a node says of itself: docs/wire/well-known.md, section 2.
type Card struct {
	NodeID     string            `json:"node_id"`
	SSHHostKey string            `json:"ssh_host_key"`
	WebCerts   []CertificateHash `json:"web_cert_sha256"` // the one in use, then the next
	ALPNs      []string          `json:"alpns"`
	Issued     time.Time         `json:"issued"`
}

// CertificateHash is the SHA-256 of a self-signed web certificate in DER, and
// when it may be seen.
type CertificateHash struct {
	SHA256    string    `json:"sha256"` // lower-case hex
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// signedCard carries the card as the bytes that were signed.
type signedCard struct {
	Card      json.RawMessage `json:"card"`
	Payload   string          `json:"payload"`   // base64 of the signed bytes; card is the same, for people
	Signature string          `json:"signature"` // base64 of Ed25519 over "alknet/well-known/v1\0" and the payload
}

// Card describes the node as it is now.
func (n *Node) Card() (Card, error) {
	current, next, err := n.web.Hashes()
	if err != nil {
		return Card{}, err
	}
	hostKey, err := n.SSHHostKey()
	if err != nil {
		return Card{}, err
	}
	return Card{
		NodeID:     n.ID().String(),
		SSHHostKey: hostKey,
		WebCerts:   []CertificateHash{certificateHash(current), certificateHash(next)},
		ALPNs:      n.router.ALPNs(),
		Issued:     time.Now().UTC().Truncate(time.Second),
	}, nil
}

func certificateHash(h tlsconf.CertificateHash) CertificateHash {
	return CertificateHash{SHA256: hex.EncodeToString(h.SHA256[:]), NotBefore: h.NotBefore.UTC(), NotAfter: h.NotAfter.UTC()}
}

// SSHHostKey is the public SSH host key as one line of OpenSSH's format.
func (n *Node) SSHHostKey() (string, error) { return n.keys.HostKeyLine() }

func (n *Node) wellKnown() ([]byte, error) {
	card, err := n.Card()
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(card)
	if err != nil {
		return nil, err
	}
	sig, err := n.keys.Node().SignMessage(WellKnownPurpose, payload)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(signedCard{
		Card:      payload,
		Payload:   base64.StdEncoding.EncodeToString(payload),
		Signature: base64.StdEncoding.EncodeToString(sig),
	}, "", "  ")
}

// statusPage leaves the host to the reader: a node behind a forwarded port or
// a name does not know how it is reached.
func (n *Node) statusPage() alkhttp.Status {
	s := alkhttp.Status{NodeID: n.ID().String(), Version: n.cfg.Version, Protocols: n.router.ALPNs()}
	if addrs := n.Addrs(); len(addrs) > 0 {
		_, port, _ := net.SplitHostPort(addrs[0])
		here := fmt.Sprintf("%s@HOST:%s", n.ID(), port)
		s.Commands = []alkhttp.Command{
			{Label: "Reach this node, HOST being its name or address", Line: "alknet ping " + here},
			{Label: "Set ssh up for it", Line: "alknet ssh-config " + here + " --alias box >> ~/.ssh/config"},
		}
	}
	return s
}
