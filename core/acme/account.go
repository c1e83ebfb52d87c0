package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// accountFile is the content of _account.json. URL is empty until the authority
// has confirmed the account.
type accountFile struct {
	Version int      `json:"version"`
	URL     string   `json:"url"`
	Contact []string `json:"contact"`
	Key     string   `json:"key"` // PKCS #8 in PEM
}

// account is made at the first order and used by all domains.
type account struct {
	store  store
	logger *slog.Logger

	mu  sync.Mutex // protects the rest
	key *ecdsa.PrivateKey
	url string
	has []string // contact that the authority knows
}

// ready returns the account, registered and with the given contact.
func (a *account) ready(ctx context.Context, client *acmez.Client, contact []string) (acme.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.key == nil {
		if err := a.open(); err != nil {
			return acme.Account{}, err
		}
	}
	want := acme.Account{
		Status: acme.StatusValid, Contact: contact, TermsOfServiceAgreed: true,
		Location: a.url, PrivateKey: a.key,
	}
	if a.url != "" && slices.Equal(a.has, contact) {
		return want, nil
	}
	known := a.url != ""
	if !known {
		got, err := client.NewAccount(ctx, want)
		if err != nil {
			return acme.Account{}, fmt.Errorf("register account: %w", err)
		}
		if got.Status != acme.StatusValid || got.Location == "" {
			return acme.Account{}, fmt.Errorf("register account: the authority says that it is %q", got.Status)
		}
		want.Location = got.Location
		// newAccount returns an account that existed as it was (section 7.3.1).
		known = !slices.Equal(got.Contact, contact)
	}
	if known {
		if _, err := client.UpdateAccount(ctx, want); err != nil {
			return acme.Account{}, fmt.Errorf("change the account's contact: %w", err)
		}
	}
	a.url, a.has = want.Location, contact
	return want, a.save()
}

// forget makes the next call of ready register the key again.
func (a *account) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.url = ""
}

// open loads the account or makes a new key, which is on disk before the
// authority learns of it.
func (a *account) open() error {
	path := a.store.accountPath()
	data, err := read(path)
	if err == nil && data != nil {
		var f accountFile
		if f, a.key, err = parseAccount(data); err == nil {
			a.url, a.has = f.URL, f.Contact
			return nil
		}
		err = &DamagedError{path, err}
	}
	if err != nil {
		to, moved := setAside(path, time.Now())
		if moved != nil {
			return moved
		}
		a.logger.Warn("stored ACME account is damaged; a new one is made", "error", err, "kept", to)
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	a.key = key
	if err := a.save(); err != nil {
		a.key = nil
		return err
	}
	return nil
}

func (a *account) save() error {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("encode account key: %w", err)
	}
	data, err := json.MarshalIndent(accountFile{
		Version: formatVersion, URL: a.url, Contact: a.has,
		Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}, "", "\t")
	if err != nil {
		return fmt.Errorf("encode account: %w", err)
	}
	return write(a.store.accountPath(), data)
}

func parseAccount(data []byte) (accountFile, *ecdsa.PrivateKey, error) {
	var f accountFile
	if err := parseJSON(data, &f); err != nil {
		return f, nil, err
	}
	if f.Version != formatVersion {
		return f, nil, fmt.Errorf("version %d; this program knows %d", f.Version, formatVersion)
	}
	if u, err := url.Parse(f.URL); f.URL != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return f, nil, errors.New("the account's address is not https")
	}
	block, rest := pem.Decode([]byte(f.Key))
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return f, nil, errors.New("no private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return f, nil, errors.New("unreadable private key")
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return f, nil, errors.New("the private key is not ECDSA P-256")
	}
	return f, private, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}
