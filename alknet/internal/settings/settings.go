// Package settings reads config.toml, the owner's file. Nothing but
// 'alknet init' ever writes it.
//
// The file is strict: a key that is not known is an error with its line, so
// that a typing mistake never silently means the default.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
)

// Settings is the whole file. Roles, Limits and TLS take effect on reload, all
// else on the next start.
type Settings struct {
	Listen    []string   `toml:"listen"`
	Drain     Duration   `toml:"drain"`
	Roles     auth.Roles `toml:"roles"`
	Limits    Limits     `toml:"limits"`
	Log       Log        `toml:"log"`
	TLS       TLS        `toml:"tls"`
	ACME      ACME       `toml:"acme"`
	SSH       SSH        `toml:"ssh"`
	HTTP      HTTP       `toml:"http"`
	Call      Call       `toml:"call"`
	Transport Transport  `toml:"transport"`
}

// Limits are those of core/config, as the file spells them. Zero or absent
// means the default.
type Limits struct {
	ConnsPerIP       int      `toml:"conns_per_ip"`
	ConnsPerIdentity int      `toml:"conns_per_identity"`
	Handshakes       int      `toml:"handshakes"`
	HandshakeTimeout Duration `toml:"handshake_timeout"`
	RetryAbove       int      `toml:"retry_above"`
	AuthFailures     int      `toml:"auth_failures"`
	AuthWindow       Duration `toml:"auth_window"`
}

// Log chooses what the node writes to standard error.
type Log struct {
	Level  string `toml:"level"`  // debug, info (default), warn, error
	Format string `toml:"format"` // text (default) or json
}

// TLS names certificates of public authorities that the owner keeps in files.
type TLS struct {
	Certificates []Certificate `toml:"certificates"`
}

// Certificate is a chain and its key, PEM, relative to the data directory.
type Certificate struct {
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
}

// ACME asks a public authority for certificates (RFC 8555).
type ACME struct {
	Domains    []string `toml:"domains"`
	Email      string   `toml:"email"`
	Directory  string   `toml:"directory"`   // URL; empty means Let's Encrypt
	CAFile     string   `toml:"ca_file"`     // PEM roots of a private directory
	Forwarded  bool     `toml:"forwarded"`   // port 443 of the domains is forwarded to a listen address
	HTTPListen string   `toml:"http_listen"` // address of a redirect listener that also answers HTTP-01
}

// SSH sets how commands run.
type SSH struct {
	Shell string `toml:"shell"` // default: the account's login shell
}

// HTTP sets the web face.
type HTTP struct {
	Metrics bool `toml:"metrics"` // serve /metrics to holders of http:metrics
}

// Transport holds switches for the sockets.
type Transport struct {
	GRO *bool `toml:"gro"` // default true: joined receive on Linux
}

// Duration is a time.Duration written as "10s".
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration does, and nothing negative.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration such as \"10s\" or \"2m\"", text)
	}
	*d = Duration(v)
	return nil
}

// maxFile bounds what is read before parsing.
const maxFile = 1 << 20

// Load reads and checks the file. A missing file gives the defaults.
func Load(path string) (Settings, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Parse(nil, filepath.Base(path))
	}
	if err != nil {
		return Settings{}, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return Settings{}, fmt.Errorf("read configuration: %w", err)
	} else if fi.Size() > maxFile {
		return Settings{}, fmt.Errorf("%s has %d bytes; a configuration has at most %d", path, fi.Size(), maxFile)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return Settings{}, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(raw, path)
}

// Parse checks raw, which came from the file called name. Its error is a
// *SyntaxError where a line is to blame.
func Parse(raw []byte, name string) (Settings, error) {
	var s Settings
	dec := toml.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return Settings{}, syntaxError(name, err)
	}
	s.defaults()
	if err := s.check(); err != nil {
		return Settings{}, faultError(raw, name, err)
	}
	return s, nil
}

// A SyntaxError is a line that cannot stand as it is.
type SyntaxError struct {
	File         string
	Line, Column int
	Reason       string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Reason)
}

func syntaxError(name string, err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := strict.Errors[0]
		row, col := first.Position()
		return &SyntaxError{File: name, Line: row, Column: col,
			Reason: fmt.Sprintf("unknown key %q: correct or remove it", strings.Join(first.Key(), "."))}
	}
	var dec *toml.DecodeError
	if errors.As(err, &dec) {
		row, col := dec.Position()
		return &SyntaxError{File: name, Line: row, Column: col, Reason: strings.TrimPrefix(dec.Error(), "toml: ")}
	}
	return fmt.Errorf("%s: %w", name, err)
}

func faultError(raw []byte, name string, err error) error {
	var fault *importError
	if errors.As(err, &fault) {
		if line, column := importHeader(raw, fault.entry); line > 0 {
			return &SyntaxError{File: name, Line: line, Column: column, Reason: fault.Error()}
		}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// DefaultListen is where a node listens whose owner does not say.
func DefaultListen() []string { return []string{":4433"} }

func (s *Settings) defaults() {
	if len(s.Listen) == 0 {
		s.Listen = DefaultListen()
	}
	if s.Log.Level == "" {
		s.Log.Level = "info"
	}
	if s.Log.Format == "" {
		s.Log.Format = "text"
	}
	s.Call.defaults()
}

func (s *Settings) check() error {
	for _, a := range s.Listen {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("listen: %q is not host:port: %w", a, err)
		}
	}
	switch s.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log.level: %q is none of debug, info, warn, error", s.Log.Level)
	}
	if s.Log.Format != "text" && s.Log.Format != "json" {
		return fmt.Errorf("log.format: %q is neither text nor json", s.Log.Format)
	}
	for i, c := range s.TLS.Certificates {
		if c.Cert == "" || c.Key == "" {
			return fmt.Errorf("tls.certificates entry %d: give both cert and key", i+1)
		}
	}
	if err := s.Roles.Validate(); err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	if err := s.Limits.Config().Validate(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if err := s.Call.check(); err != nil {
		return err
	}
	return s.checkACME()
}

// checkACME refuses a configuration under which no authority could ever reach
// the node (RFC 8737, section 3: TLS-ALPN-01 comes to port 443).
func (s *Settings) checkACME() error {
	if len(s.ACME.Domains) == 0 || s.ACME.HTTPListen != "" || s.ReachableOn443() {
		return nil
	}
	return errors.New("acme: the authority connects to port 443: listen on :443, set acme.forwarded = true if port 443 is forwarded here, or set acme.http_listen = \":80\"")
}

// ReachableOn443 reports whether an authority's connection to port 443 arrives
// here, by what the owner says.
func (s *Settings) ReachableOn443() bool {
	return s.ACME.Forwarded || slices.ContainsFunc(s.Listen, func(addr string) bool {
		_, port, _ := net.SplitHostPort(addr)
		return port == "443"
	})
}

// Config is the form that core/config takes.
func (l Limits) Config() config.Limits {
	return config.Limits{
		ConnsPerIP:       l.ConnsPerIP,
		ConnsPerIdentity: l.ConnsPerIdentity,
		Handshakes:       l.Handshakes,
		HandshakeTimeout: time.Duration(l.HandshakeTimeout),
		RetryAbove:       l.RetryAbove,
		AuthFailures:     l.AuthFailures,
		AuthWindow:       time.Duration(l.AuthWindow),
	}
}

// Logger writes to standard error as the file says.
func (s Settings) Logger() *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(s.Log.Level)) // checked by Parse
	o := &slog.HandlerOptions{Level: level}
	if s.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// Value is d as the standard library has it.
func (d Duration) Value() time.Duration { return time.Duration(d) }
