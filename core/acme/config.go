package acme

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Directories of Let's Encrypt. Staging issues certificates that nobody trusts
// under generous limits.
const (
	LetsEncrypt        = "https://acme-v02.api.letsencrypt.org/directory"
	LetsEncryptStaging = "https://acme-staging-v02.api.letsencrypt.org/directory"
)

// Challenge is a way in which the authority checks a domain.
type Challenge string

// The challenges that a Manager can answer.
const (
	TLSALPN01 Challenge = "tls-alpn-01" // on port 443 over TCP, through [Manager.Certificate] (RFC 8737)
	HTTP01    Challenge = "http-01"     // on port 80, through [Manager.ChallengeHandler] (RFC 8555, section 8.3)
)

// Config is what [New] takes. The zero value of a field that is not marked as
// required has the meaning written there.
type Config struct {
	// Domains are the names to get certificates for, ASCII or Unicode. Required.
	Domains []string

	// Folder is where everything is kept, such as certs below the data
	// directory. Run creates it. Required.
	Folder string

	// Directory is the authority's address; empty means LetsEncrypt.
	Directory string

	// Roots are the authorities trusted for the connection to Directory; nil
	// means the system's. Give it or Client, not both.
	Roots *x509.CertPool

	// Client makes the requests to the authority. nil means a client of the
	// Manager's own that uses no proxy. Without a Transport it gets that one's.
	Client *http.Client

	// Email is where the authority may write to; empty gives it none.
	Email string

	// Challenges are those that this node can answer; none means TLSALPN01.
	Challenges []Challenge

	// Profile is the kind of certificate, by the authority's name for it, such
	// as "shortlived"; empty leaves the choice to the authority.
	Profile string

	// Logger gets what happens, with the domain names. nil means no log.
	Logger *slog.Logger

	// OnAttempt is called after each attempt, from goroutines of Run, possibly
	// from several at once. It must not block. nil means nothing is called.
	OnAttempt func(Status)
}

// check completes the configuration and returns the domains as they stand in
// certificates.
func (c *Config) check() ([]string, error) {
	if c.Folder == "" {
		return nil, &ConfigError{"folder", "empty: name the folder in which certificates are kept"}
	}
	if c.Directory == "" {
		c.Directory = LetsEncrypt
	}
	if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, &ConfigError{"directory", fmt.Sprintf("%q is not an https address such as %s", c.Directory, LetsEncrypt)}
	}
	if c.Roots != nil && c.Client != nil {
		return nil, &ConfigError{"roots", "set together with a client: put the roots into the client's transport"}
	}
	if err := checkEmail(c.Email); err != nil {
		return nil, err
	}
	if len(c.Challenges) == 0 {
		c.Challenges = []Challenge{TLSALPN01}
	}
	for _, ch := range c.Challenges {
		if ch != TLSALPN01 && ch != HTTP01 {
			return nil, &ConfigError{"challenges", fmt.Sprintf("%q is neither %s nor %s", string(ch), TLSALPN01, HTTP01)}
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return domainNames(c.Domains)
}

func domainNames(given []string) ([]string, error) {
	var names []string
	for _, g := range given {
		name, err := domainName(g)
		if err != nil {
			return nil, err
		}
		if slices.Contains(names, name) {
			return nil, &ConfigError{"domains", fmt.Sprintf("%q is listed twice: remove one", g)}
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, &ConfigError{"domains", "empty: name at least one domain, or leave ACME out"}
	}
	return names, nil
}

// domainName returns the name in the form of RFC 5280, section 7.2, which is
// also safe as a file name.
func domainName(s string) (string, error) {
	refuse := func(reason string) (string, error) {
		return "", &ConfigError{"domains", fmt.Sprintf("%q %s", s, reason)}
	}
	if strings.Contains(s, "*") {
		return refuse("is a wildcard, which needs a DNS challenge: list the names one by one")
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return refuse("is an address: certificates are for names")
	}
	if !utf8.ValidString(s) {
		return refuse("is not UTF-8")
	}
	ascii, err := registrable.ToASCII(strings.TrimSuffix(s, "."))
	if err != nil || ascii == "" {
		return refuse("is not a domain name such as example.org")
	}
	if again, err := registrable.ToASCII(ascii); err != nil || again != ascii {
		return refuse("has an xn-- part that stands for no name")
	}
	if last := ascii[strings.LastIndexByte(ascii, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return refuse("is not a domain name such as example.org")
	}
	return ascii, nil
}

var registrable = idna.New(
	idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// checkEmail refuses what would become several recipients or header fields of a
// mailto address (RFC 8555, section 7.3).
func checkEmail(s string) error {
	if s == "" {
		return nil
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || strings.ContainsAny(s, "?,&\" ") {
		return &ConfigError{"email", fmt.Sprintf("%q is not an address such as you@example.org", s)}
	}
	return nil
}

func (c *Config) contact() []string {
	if c.Email == "" {
		return nil
	}
	return []string{"mailto:" + c.Email}
}
