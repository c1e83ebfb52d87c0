package node

import (
	"fmt"
	"reflect"
	"time"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/alknet/internal/settings"
	"github.com/alkdev/alknet/core/config"
)

// dynamic is what config.toml and peers.toml say of peers, tokens, roles and
// limits.
func dynamic(s settings.Settings, b *peerbook.Book) config.Dynamic {
	return config.Dynamic{Peers: b.Peers, Tokens: b.Tokens, Roles: s.Roles, Limits: s.Limits.Config()}
}

// Reload reads config.toml, peers.toml and the certificate files again and puts
// roles, limits, peers, tokens and certificates in force at once. It returns the
// settings that have changed and wait for a restart. A fault refuses everything
// and the old configuration stays.
func (n *Node) Reload() (needsRestart []string, err error) {
	n.writing.Lock()
	defer n.writing.Unlock()
	if n.notify(Reloading) {
		defer n.notify(Ready)
	}
	s, files, err := n.reread()
	if err != nil {
		return nil, fmt.Errorf("not reloaded, the old configuration is still in force: %w", err)
	}
	n.files.Store(&files)
	if n.acme != nil {
		n.acme.Retry()
	}
	n.log.Info("configuration reloaded")
	return n.changedStatics(s), nil
}

// reread takes the new configuration if there is no fault in any of its files.
func (n *Node) reread() (settings.Settings, certificateFiles, error) {
	s, err := settings.Load(n.dir.Config())
	if err != nil {
		return s, nil, err
	}
	files, err := loadCertificates(n.dir.Path(), s.TLS.Certificates)
	if err != nil {
		return s, nil, err
	}
	book, err := peerbook.Load(n.dir.Peers())
	if err != nil {
		return s, nil, err
	}
	return s, files, n.store.Swap(dynamic(s, book))
}

func (n *Node) changedStatics(s settings.Settings) (names []string) {
	old, now := reflect.ValueOf(n.settings), reflect.ValueOf(s)
	for i := range old.NumField() {
		name := old.Type().Field(i).Tag.Get("toml")
		if name == "roles" || name == "limits" || name == "tls" || name == "listen" && n.listensElsewhere {
			continue
		}
		if !reflect.DeepEqual(old.Field(i).Interface(), now.Field(i).Interface()) {
			names = append(names, name)
		}
	}
	return names
}

// change edits peers.toml and puts it in force. The file is written after the
// new set was checked and before it is in force, so that neither a fault nor a
// crash leaves the two apart.
func (n *Node) change(c peerbook.Change) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	book, err := peerbook.Load(n.dir.Peers())
	if err != nil {
		return err
	}
	if err := book.Apply(c, time.Now()); err != nil {
		return err
	}
	d := n.store.Dynamic()
	d.Peers, d.Tokens = book.Peers, book.Tokens
	// As Swap will: Validate alone does not know the node's own key.
	if _, err := config.NewStore(n.ID().Key(), d); err != nil {
		return err
	}
	if err := book.Save(n.dir.Peers()); err != nil {
		return err
	}
	return n.store.Swap(d)
}
