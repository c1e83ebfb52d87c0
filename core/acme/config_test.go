package acme_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alkdev/alknet/core/acme"
)

func TestConfigIsChecked(t *testing.T) {
	good := func(change func(*acme.Config)) acme.Config {
		c := acme.Config{Domains: []string{"example.org"}, Folder: filepath.Join(t.TempDir(), "certs")}
		change(&c)
		return c
	}
	domains := func(names ...string) func(*acme.Config) {
		return func(c *acme.Config) { c.Domains = names }
	}
	tests := []struct {
		name   string
		change func(*acme.Config)
		field  string // empty: no error
	}{
		{"smallest", func(*acme.Config) {}, ""},
		{"everything", func(c *acme.Config) {
			c.Directory, c.Email = acme.LetsEncryptStaging, "you@example.org"
			c.Client, c.Challenges = &http.Client{}, []acme.Challenge{acme.HTTP01, acme.TLSALPN01}
		}, ""},
		{"one label of a private authority", domains("nas"), ""},
		{"Unicode, dot at the end", domains("Bücher.example."), ""},
		{"no domain", domains(), "domains"},
		{"empty name", domains(""), "domains"},
		{"twice", domains("example.org", "EXAMPLE.org."), "domains"},
		{"wildcard", domains("*.example.org"), "domains"},
		{"IPv4", domains("192.0.2.1"), "domains"},
		{"nearly IPv4", domains("192.0.2"), "domains"},
		{"IPv6", domains("[2001:db8::1]"), "domains"},
		{"port", domains("example.org:443"), "domains"},
		{"path", domains("../example.org"), "domains"},
		{"separator", domains("a/b"), "domains"},
		{"account file", domains("_account"), "domains"},
		{"space", domains("example org"), "domains"},
		{"long label", domains(strings.Repeat("a", 64) + ".example"), "domains"},
		{"no folder", func(c *acme.Config) { c.Folder = "" }, "folder"},
		{"plain http", func(c *acme.Config) { c.Directory = "http://ca.example/dir" }, "directory"},
		{"no address", func(c *acme.Config) { c.Directory = "letsencrypt" }, "directory"},
		{"password", func(c *acme.Config) { c.Directory = "https://user:secret@ca.example/" }, "directory"},
		{"name in the e-mail", func(c *acme.Config) { c.Email = "You <you@example.org>" }, "email"},
		{"two e-mails", func(c *acme.Config) { c.Email = "a@example.org,b@example.org" }, "email"},
		{"header in the e-mail", func(c *acme.Config) { c.Email = "a@example.org?cc=b@example.org" }, "email"},
		{"no e-mail", func(c *acme.Config) { c.Email = "example.org" }, "email"},
		{"unknown challenge", func(c *acme.Config) { c.Challenges = []acme.Challenge{"dns-01"} }, "challenges"},
		{"roots and client", func(c *acme.Config) { c.Roots, c.Client = x509.NewCertPool(), &http.Client{} }, "roots"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := good(tt.change)
			m, err := acme.New(c)
			if tt.field == "" {
				if err != nil || len(m.Status()) != len(c.Domains) {
					t.Fatalf("error %v", err)
				}
				if _, err := os.Stat(c.Folder); !os.IsNotExist(err) {
					t.Error("New wrote something")
				}
				return
			}
			var bad *acme.ConfigError
			if !errors.As(err, &bad) || bad.Field != tt.field {
				t.Fatalf("error %v, want one of the field %q", err, tt.field)
			}
			if strings.Contains(err.Error(), "secret") && tt.name != "password" {
				t.Error("a password in the text")
			}
		})
	}
}
