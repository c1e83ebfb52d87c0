package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/alknet/internal/settings"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/alkdev/alknet/vault"
)

// lockWait is how long a change waits for a node that starts or stops.
const lockWait = 5 * time.Second

// change edits peers and tokens: through the running node, where it is in force
// at once, else in the file.
func (e *env) change(ctx context.Context, d datadir.Dir, c peerbook.Change) error {
	waited, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		socket, err := d.Socket()
		if err != nil {
			return err
		}
		err = admin.NewClient(socket).Change(ctx, c)
		if !errors.Is(err, admin.ErrNotRunning) {
			return err
		}
		// A node holds the lock before its socket answers, and after.
		if err = e.changeFile(ctx, d, c); !errors.Is(err, datadir.ErrLocked) {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-waited.Done():
			return err
		}
	}
}

// changeAndTell is change for commands that print nothing else.
func (e *env) changeAndTell(ctx context.Context, d datadir.Dir, c peerbook.Change, done string) error {
	if err := e.change(ctx, d, c); err != nil {
		return err
	}
	fmt.Fprintln(e.stderr, "alknet: "+done)
	return nil
}

func (e *env) changeFile(ctx context.Context, d datadir.Dir, c peerbook.Change) error {
	unlock, err := d.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	s, book, err := loadBook(d)
	if err != nil {
		return err
	}
	if err := book.Apply(c, time.Now()); err != nil {
		return err
	}
	// The same check as in the node, so that it starts with what is written.
	if _, err := config.NewStore(ownKey(ctx, d), config.Dynamic{Peers: book.Peers, Tokens: book.Tokens, Roles: s.Roles, Limits: s.Limits.Config()}); err != nil {
		return err
	}
	return book.Save(d.Peers())
}

// ownKey is the node's own key, which no peer may have, or zero where only the
// owner's passphrase would tell it; the node's start finds the fault then.
func ownKey(ctx context.Context, d datadir.Dir) auth.Key {
	if kind, err := vault.SealOf(d.Vault()); err != nil || kind != vault.SealedByKeyFile {
		return auth.Key{}
	}
	keys, err := keyring.Open(ctx, d, nil)
	if err != nil {
		return auth.Key{}
	}
	defer keys.Close()
	return keys.NodeID().Key()
}

// loadBook reads what the files say; no lock is needed, since each is replaced
// as a whole.
func loadBook(d datadir.Dir) (settings.Settings, *peerbook.Book, error) {
	s, err := settings.Load(d.Config())
	if err != nil {
		return settings.Settings{}, nil, err
	}
	book, err := peerbook.Load(d.Peers())
	return s, book, err
}

// checkGrant refuses scopes and roles that do not exist, and without asAdmin
// those that amount to owning the node.
func checkGrant(roles auth.Roles, names, scopes []string, asAdmin bool) error {
	for _, r := range names {
		if _, ok := roles[r]; !ok {
			return usagef("role %q is not defined: write it under [roles] in config.toml", r)
		}
	}
	granted, err := roles.Expand(names, scopes)
	if err != nil {
		return &usageError{err}
	}
	for _, s := range scopes {
		if err := checkVerb(s); err != nil {
			return err
		}
	}
	if asAdmin {
		return nil
	}
	for _, s := range granted {
		if why := owns(s); why != "" {
			return usagef("scope %q %s, which amounts to owning the node: add --as-admin if that is meant", s, why)
		}
	}
	return nil
}

// owns tells by which way the holder of a scope can do everything that the
// node's own user can.
func owns(s auth.Scope) string {
	one := auth.Scopes{s}
	switch {
	case s.IsAdmin():
		return "allows everything"
	case one.Allow(auth.Do("ssh", "shell")):
		return "gives a shell as the node's user"
	case one.Allow(auth.Do("ssh", "exec")):
		return "runs any command as the node's user"
	}
	return ""
}

func describeTime(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.Local().Format("2006-01-02 15:04")
}

// parseExpiry reads "30d", "2w", "12h", or a date, all after now.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := expiry(text, now)
	if err != nil {
		return time.Time{}, usagef("--expires %q is neither a time from now such as 30d, 2w or 12h nor a date such as 2030-01-31", text)
	}
	if !t.After(now) {
		return time.Time{}, usagef("--expires %q is not in the future", text)
	}
	if t.UTC().Year() > 9999 {
		return time.Time{}, usagef("--expires %q is beyond the year 9999: leave it out for never", text)
	}
	return t.UTC().Truncate(time.Second), nil
}

const maxExpiry = 100 * 365 * 24 * time.Hour

func expiry(text string, now time.Time) (time.Time, error) {
	for suffix, unit := range map[byte]int{'d': 1, 'w': 7} {
		if len(text) > 1 && len(text) <= 6 && text[len(text)-1] == suffix {
			var n int
			for _, c := range []byte(text[:len(text)-1]) {
				if c < '0' || c > '9' {
					return time.Time{}, errors.New("not a number")
				}
				n = 10*n + int(c-'0')
			}
			return now.AddDate(0, 0, n*unit), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil {
		if d > maxExpiry {
			return time.Time{}, fmt.Errorf("longer than %v", maxExpiry)
		}
		return now.Add(d), nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}
