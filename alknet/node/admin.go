package node

import (
	"crypto"
	"os"

	"github.com/alkdev/alknet/alknet/internal/admin"
)

func (n *Node) backend() admin.Backend {
	return admin.Backend{
		Stop:     n.Stop,
		Change:   n.change,
		Identity: n.identity,
		Sign: func(message []byte) ([]byte, error) {
			return n.keys.Node().Sign(nil, message, crypto.Hash(0))
		},
	}
}

func (n *Node) identity() (admin.Identity, error) {
	cert, err := n.keys.Certificate()
	if err != nil {
		return admin.Identity{}, err
	}
	card, err := n.Card()
	if err != nil {
		return admin.Identity{}, err
	}
	id := admin.Identity{Certificate: cert.Certificate[0], SSHHostKey: card.SSHHostKey}
	for _, h := range card.WebCerts {
		id.WebCerts = append(id.WebCerts, h.SHA256)
	}
	return id, nil
}

func (n *Node) status(owner bool) admin.Status {
	d := n.store.Dynamic()
	s := admin.Status{
		NodeID:      n.ID().String(),
		Version:     n.cfg.Version,
		PID:         os.Getpid(),
		Started:     n.started,
		Listen:      n.Addrs(),
		ALPNs:       n.router.ALPNs(),
		Peers:       len(d.Peers),
		Tokens:      len(d.Tokens),
		Connections: []admin.Connection{},
		Links:       n.linkStates(owner),
	}
	for _, c := range n.endpoint.Connections() {
		s.Connections = append(s.Connections, admin.Connection{
			Since:      c.Since,
			RemoteAddr: c.RemoteAddr,
			Transport:  c.Transport,
			ALPN:       c.ALPN,
			Peer:       c.Peer,
		})
	}
	return s
}
