package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/core/auth"
)

func (e *env) peerCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "peer",
		Short: "Say who may use the node, and for what",
		Long: `Say who may use the node, and for what. A peer is a name with one or more keys
and opens every protocol. A change is in force at once if the node runs; removing
or disabling a peer closes its connections.`,
	},
		e.peerAddCommand(), e.peerListCommand(), e.peerShowCommand(), e.peerRemoveCommand(),
		e.peerSwitchCommand("enable", "Let a disabled peer in again", func(name string) peerbook.Change { return peerbook.Change{EnablePeer: name} }),
		e.peerSwitchCommand("disable", "Shut a peer out and keep its entry", func(name string) peerbook.Change { return peerbook.Change{DisablePeer: name} }),
	)
}

// grantFlags are what peers and tokens share.
type grantFlags struct {
	scopes, roles []string
	expires       string
	asAdmin       bool
}

func (g *grantFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&g.scopes, "scope", nil, "`scope` to grant, as in git:read:** or ssh:forward:*.lan:22; may be repeated")
	f.StringArrayVar(&g.roles, "role", nil, "`role` of config.toml to grant; may be repeated")
	f.StringVar(&g.expires, "expires", "", "`when` it ends: 30d, 2w, 12h or 2030-01-31")
	f.BoolVar(&g.asAdmin, "as-admin", false, "agree to a grant that amounts to owning the node (admin, ssh:shell, ssh:exec)")
}

func (e *env) peerAddCommand() *cobra.Command {
	var (
		g    grantFlags
		note string
	)
	cmd := &cobra.Command{
		Use:   "add NAME KEY",
		Short: "Add a peer, or one more key, scope or role to it",
		Long: `Add a peer, or one more key, scope or role to it.

KEY is a node id, ed25519:…, SHA256:… of a certificate, an OpenSSH public key
line, or the path of a file that holds one. Without a scope or role the peer is
known and may do nothing.`,
		Args: args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			d, err := e.setUpDir()
			if err != nil {
				return err
			}
			if err := auth.CheckName(a[0]); err != nil {
				return usagef("name %q: %w", a[0], err)
			}
			key, err := parseKeyArgument(strings.Join(a[1:], " "))
			if err != nil {
				return err
			}
			p := auth.Peer{Name: a[0], Keys: []auth.Key{key}, Scopes: g.scopes, Roles: g.roles, Note: note}
			if p.Expires, err = parseExpiry(g.expires, time.Now()); err != nil {
				return err
			}
			s, book, err := loadBook(d)
			if err != nil {
				return err
			}
			change := peerbook.Change{AddPeer: &p}
			if err := book.Apply(change, time.Now()); err != nil {
				return err
			}
			after, err := book.Peer(p.Name)
			if err != nil {
				return err
			}
			// All that the key opens counts, also what the peer had before.
			if err := checkGrant(s.Roles, after.Roles, after.Scopes, g.asAdmin); err != nil {
				return err
			}
			e.warnAreas(g.scopes)
			if err := e.change(cmd.Context(), d, change); err != nil {
				return err
			}
			return e.print(after, func(w io.Writer) {
				fmt.Fprintf(w, "peer %s has %s and may use: %s\n", after.Name, count(len(after.Keys), "key"), grants(after.Scopes, after.Roles))
			})
		},
	}
	g.add(cmd)
	cmd.Flags().StringVar(&note, "note", "", "`text` for yourself")
	return e.jsonFlag(cmd)
}

func (e *env) warnAreas(scopes []string) {
	for _, s := range scopes {
		if !knownArea(s) {
			fmt.Fprintf(e.stderr, "alknet: no protocol of this program reads scope %q; it is kept for handlers of yours\n", printable(s))
		}
	}
}

func (e *env) peerListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the peers",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			book, err := e.book()
			if err != nil {
				return err
			}
			peers := append([]auth.Peer{}, book.Peers...)
			return e.print(peers, func(w io.Writer) {
				if len(peers) == 0 {
					fmt.Fprintln(w, "no peers: add one with 'alknet peer add NAME KEY'")
					return
				}
				t := newTable(w, "NAME", "KEYS", "MAY USE", "EXPIRES", "STATE")
				for _, p := range peers {
					t.row(p.Name, fmt.Sprint(len(p.Keys)), grants(p.Scopes, p.Roles), describeTime(p.Expires, "never"), peerState(p, time.Now()))
				}
				t.flush()
			})
		},
	}
	return e.jsonFlag(cmd)
}

func (e *env) peerShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one peer",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, a []string) error {
			book, err := e.book()
			if err != nil {
				return err
			}
			p, err := book.Peer(a[0])
			if err != nil {
				return err
			}
			return e.print(p, func(w io.Writer) {
				fmt.Fprintf(w, "name     %s\nstate    %s\n", p.Name, peerState(p, time.Now()))
				for _, k := range p.Keys {
					fmt.Fprintf(w, "key      %s\n", k)
					if id, ok := k.NodeID(); ok {
						fmt.Fprintf(w, "         as a node id %s\n", id)
					}
				}
				fmt.Fprintf(w, "may use  %s\nadded    %s\nexpires  %s\n", grants(p.Scopes, p.Roles), describeTime(p.Created, "not known"), describeTime(p.Expires, "never"))
				if p.Note != "" {
					fmt.Fprintf(w, "note     %s\n", printable(p.Note))
				}
			})
		},
	}
	return e.jsonFlag(cmd)
}

func (e *env) peerRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME [KEY]",
		Short: "Remove a peer, or one of its keys",
		Args:  args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			d, err := e.setUpDir()
			if err != nil {
				return err
			}
			r := peerbook.RemovePeer{Name: a[0]}
			if len(a) > 1 {
				if r.Key, err = parseKeyArgument(strings.Join(a[1:], " ")); err != nil {
					return err
				}
			}
			done := "peer " + r.Name + " is removed"
			if !r.Key.IsZero() {
				done = "the key is removed from peer " + r.Name
			}
			return e.changeAndTell(cmd.Context(), d, peerbook.Change{RemovePeer: &r}, done)
		},
	}
}

func (e *env) peerSwitchCommand(verb, short string, change func(name string) peerbook.Change) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			d, err := e.setUpDir()
			if err != nil {
				return err
			}
			if err := auth.CheckName(a[0]); err != nil {
				return usagef("name %q: %w", a[0], err)
			}
			return e.changeAndTell(cmd.Context(), d, change(a[0]), "peer "+a[0]+" is "+verb+"d")
		},
	}
}

// book is what peers.toml says, which the running node keeps equal to what is
// in force.
func (e *env) book() (*peerbook.Book, error) {
	d, err := e.setUpDir()
	if err != nil {
		return nil, err
	}
	return peerbook.Load(d.Peers())
}

const maxKeyFile = 64 << 10

// parseKeyArgument reads a key, or the file that the argument names.
func parseKeyArgument(text string) (auth.Key, error) {
	key, keyErr := auth.ParsePeerKey(text)
	if keyErr == nil {
		return key, nil
	}
	f, err := os.Open(text)
	if errors.Is(err, fs.ErrNotExist) && strings.ContainsRune(text, os.PathSeparator) && !strings.Contains(text, " ") {
		return auth.Key{}, usagef("no key file: %w", err)
	}
	if err != nil {
		return auth.Key{}, &usageError{keyErr}
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return auth.Key{}, fmt.Errorf("read key file: %w", err)
	}
	if key, err = keyInFile(raw); err != nil {
		return auth.Key{}, usagef("%s: %w", text, err)
	}
	return key, nil
}

// keyInFile finds the one key in a file of the form of OpenSSH's .pub files.
func keyInFile(raw []byte) (auth.Key, error) {
	if len(raw) > maxKeyFile {
		return auth.Key{}, errors.New("too long for a public key file")
	}
	var found string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "-----BEGIN") {
			return auth.Key{}, errors.New("this is a private key file: give the .pub file beside it")
		}
		if found != "" {
			return auth.Key{}, errors.New("more than one key: add them one at a time")
		}
		found = line
	}
	if found == "" {
		return auth.Key{}, errors.New("no key in it")
	}
	return auth.ParsePeerKey(found)
}

func grants(scopes, roles []string) string {
	all := append([]string{}, scopes...)
	for _, r := range roles {
		all = append(all, "role "+r)
	}
	if len(all) == 0 {
		return "nothing"
	}
	return printable(strings.Join(all, ", "))
}

func peerState(p auth.Peer, now time.Time) string {
	switch {
	case p.Disabled:
		return "disabled"
	case expired(p.Expires, now):
		return "expired"
	}
	return "active"
}

func expired(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
