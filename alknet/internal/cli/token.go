package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/core/auth"
)

func (e *env) tokenCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "token",
		Short: "Give out API keys for programs that have no key pair",
	}, e.tokenNewCommand(), e.tokenListCommand(), e.tokenRevokeCommand())
}

// tokenEntry is a token as it is shown: without its hash.
type tokenEntry struct {
	Name    string    `json:"name"`
	ID      string    `json:"id"`
	Token   string    `json:"token,omitempty"` // once, by 'token new'
	Scopes  []string  `json:"scopes,omitempty"`
	Roles   []string  `json:"roles,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Created time.Time `json:"created,omitzero"`
}

func newTokenEntry(t auth.Token) tokenEntry {
	return tokenEntry{Name: t.Name, ID: t.ID, Scopes: t.Scopes, Roles: t.Roles, Expires: t.Expires, Created: t.Created}
}

func (e *env) tokenNewCommand() *cobra.Command {
	var g grantFlags
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make an API key and print it, once",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			d, err := e.setUpDir()
			if err != nil {
				return err
			}
			secret, t, err := auth.NewToken(a[0])
			if err != nil {
				return &usageError{err}
			}
			t.Scopes, t.Roles = g.scopes, g.roles
			if t.Expires, err = parseExpiry(g.expires, time.Now()); err != nil {
				return err
			}
			s, _, err := loadBook(d)
			if err != nil {
				return err
			}
			if err := checkGrant(s.Roles, t.Roles, t.Scopes, g.asAdmin); err != nil {
				return err
			}
			e.warnAreas(g.scopes)
			if err := e.change(cmd.Context(), d, peerbook.Change{AddToken: &peerbook.NewToken{Token: t, Hash: t.Hash}}); err != nil {
				return err
			}
			entry := newTokenEntry(t)
			entry.Token = secret.Reveal()
			fmt.Fprintf(e.stderr, "alknet: this is the only time that the token is shown; it may use: %s\n", grants(t.Scopes, t.Roles))
			return e.print(entry, func(w io.Writer) { fmt.Fprintln(w, entry.Token) })
		},
	}
	g.add(cmd)
	return e.jsonFlag(cmd)
}

func (e *env) tokenListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the API keys that were given out",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			book, err := e.book()
			if err != nil {
				return err
			}
			entries := []tokenEntry{}
			for _, t := range book.Tokens {
				entries = append(entries, newTokenEntry(t))
			}
			return e.print(entries, func(w io.Writer) {
				if len(entries) == 0 {
					fmt.Fprintln(w, "no tokens: make one with 'alknet token new NAME'")
					return
				}
				t := newTable(w, "NAME", "ID", "MAY USE", "EXPIRES", "STATE")
				for _, entry := range entries {
					state := "active"
					if expired(entry.Expires, time.Now()) {
						state = "expired"
					}
					t.row(entry.Name, entry.ID, grants(entry.Scopes, entry.Roles), describeTime(entry.Expires, "never"), state)
				}
				t.flush()
			})
		},
	}
	return e.jsonFlag(cmd)
}

func (e *env) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke an API key, by its name or its public id",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			d, err := e.setUpDir()
			if err != nil {
				return err
			}
			if a[0] == "" {
				return usagef("the name is empty: see 'alknet token list'")
			}
			return e.changeAndTell(cmd.Context(), d, peerbook.Change{RemoveToken: a[0]}, "token "+printable(a[0])+" is revoked")
		},
	}
}
