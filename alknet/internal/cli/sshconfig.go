package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

const sshALPN = "alknet/ssh"

// hostKeyTimeout bounds how long a KnownHostsCommand keeps ssh waiting.
const hostKeyTimeout = 15 * time.Second

func (e *env) sshConfigCommand() *cobra.Command {
	var (
		f          dialFlags
		alias      string
		knownHosts bool
	)
	cmd := &cobra.Command{
		Use:   "ssh-config NODE",
		Short: "Print a Host block for ~/.ssh/config",
		Long: `Print a Host block with which the ssh, scp and sftp of OpenSSH (8.5 or newer) reach
a node, without a question and with an empty known_hosts:
  alknet ssh-config NODE --alias box >> ~/.ssh/config && ssh box
The host key is asked of the node, over a connection on which it has proved to be
NODE, each time that ssh connects. A NODE of host:port alone is dialled now, so
that first contact is settled here.

The user name does not matter: the node goes by the key, of this data directory
or of ssh.`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if knownHosts {
				return e.knownHosts(cmd.Context(), a, f)
			}
			if len(a) != 1 {
				return usagef("accepts 1 arg(s), received %d: usage: %s", len(a), cmd.UseLine())
			}
			return e.sshConfig(cmd.Context(), a[0], alias, f)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&alias, "alias", "", "`name` for ssh's command line (default: the saved name, else the id or host)")
	cmd.Flags().BoolVar(&knownHosts, "known-hosts", false, "be the KnownHostsCommand: NODE %I %H")
	return e.jsonFlag(cmd)
}

// sshBlock is what ssh needs to know.
type sshBlock struct {
	Host              string `json:"host"`
	HostKeyAlias      string `json:"host_key_alias"`
	ProxyCommand      string `json:"proxy_command"`
	KnownHostsCommand string `json:"known_hosts_command"`
}

func (e *env) sshConfig(ctx context.Context, arg, alias string, f dialFlags) error {
	if alias != "" && !validAlias(alias) {
		return usagef("--alias %q: use letters, digits, dots, dashes and underscores", alias)
	}
	c, err := e.client(ctx, arg, f)
	if err != nil {
		return err
	}
	defer c.close()
	if c.target.ID.IsZero() {
		if err := c.pin(ctx); err != nil {
			return err
		}
	}
	words, err := e.self()
	if err != nil {
		return err
	}
	b, err := c.block(words, alias, f)
	if err != nil {
		return err
	}
	return e.print(b, func(w io.Writer) {
		fmt.Fprintf(w, `Host %s
    HostKeyAlias %s
    ProxyCommand %s
    KnownHostsCommand %s
    UserKnownHostsFile %s
    StrictHostKeyChecking yes
    CheckHostIP no
`, b.Host, b.HostKeyAlias, b.ProxyCommand, b.KnownHostsCommand, os.DevNull)
	})
}

func validAlias(s string) bool {
	for _, r := range s {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_') {
			return false
		}
	}
	return s != "" && s[0] != '-' && len(s) <= 255
}

// pin settles who NODE is when it was given by its address. A key that an
// authority vouches for may change and is not pinned.
func (c *client) pin(ctx context.Context) error {
	conn, info, err := c.dial(ctx, sshALPN, dial.Interactive)
	if err != nil {
		return err
	}
	conn.Close(core.CodeNone, "")
	if id, ok := info.NodeID(); ok && info.Trust != dial.TrustCA {
		c.target.ID = id
	}
	return nil
}

// self is how another program runs this one on the same data.
func (e *env) self() ([]string, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	words := []string{path}
	if e.data != "" || os.Getenv(datadir.Environment) != "" {
		d, err := e.dir()
		if err != nil {
			return nil, err
		}
		words = append(words, "--data", d.Path())
	}
	if e.passphraseFile != "" {
		file, err := filepath.Abs(e.passphraseFile)
		if err != nil {
			return nil, fmt.Errorf("find the passphrase file: %w", err)
		}
		words = append(words, "--passphrase-file", file)
	}
	return words, nil
}

func (c *client) block(self []string, alias string, f dialFlags) (sshBlock, error) {
	node, name := c.target.String(), c.target.Host
	if !c.target.ID.IsZero() {
		name = c.target.ID.String()
	}
	b := sshBlock{Host: alias, HostKeyAlias: name}
	if c.saved {
		node, name = c.arg, c.arg // follows what the name stands for
	}
	if b.Host == "" {
		b.Host = name
	}
	var options []string
	if f.via != "auto" {
		options = append(options, "--via", f.via)
	}
	if f.socks5 != "" {
		options = append(options, "--socks5", f.socks5)
	}
	command := func(quote func(string) string, verb ...string) string {
		var words []string
		for _, w := range append(append(append([]string{}, self...), verb...), options...) {
			words = append(words, quote(w))
		}
		return strings.Join(words, " ")
	}
	for _, w := range append(append([]string{node}, self...), options...) {
		if err := quotable(w); err != nil {
			return sshBlock{}, err
		}
	}
	b.ProxyCommand = command(quoteShell, "proxy", node, sshALPN)
	b.KnownHostsCommand = command(quoteArgument, "ssh-config", "--known-hosts", node) + " %I %H"
	return b, nil
}

// quotable refuses what one of the three readers of the block, which are ssh
// twice and a shell, would take apart.
func quotable(s string) error {
	bad := "'\"\\"
	if runtime.GOOS == "windows" {
		bad = "\""
	}
	if strings.ContainsAny(s, bad) || strings.Contains(s, "${") || s != printable(s) {
		return fmt.Errorf("%q cannot be written into ssh's configuration: move it to a path without quotes and backslashes", s)
	}
	return nil
}

// quoteShell writes one word of ProxyCommand: ssh expands its %-tokens and the
// user's shell reads the rest.
func quoteShell(s string) string {
	s = strings.ReplaceAll(s, "%", "%%")
	switch {
	case plain(s):
		return s
	case runtime.GOOS == "windows":
		return `"` + s + `"`
	}
	return "'" + s + "'"
}

// quoteArgument writes one word of KnownHostsCommand, which no shell reads: ssh
// splits it as in sshd_config and expands the %-tokens and ${} of each word.
func quoteArgument(s string) string {
	s = strings.ReplaceAll(filepath.ToSlash(s), "%", "%%")
	if plain(s) {
		return s
	}
	return `"` + s + `"`
}

func plain(s string) bool {
	for _, r := range s {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/.-_:@%+,=", r)) {
			return false
		}
	}
	return s != ""
}

// knownHosts answers ssh_config(5) KnownHostsCommand. ORDER asks which host key
// algorithms to prefer: none, since the node has one key.
func (e *env) knownHosts(ctx context.Context, a []string, f dialFlags) error {
	node, reason, host := a[0], "HOSTNAME", ""
	switch len(a) {
	case 2:
		host = a[1]
	case 3:
		reason, host = a[1], a[2]
	default:
		return usagef("--known-hosts: write NODE %%I %%H, as 'alknet ssh-config NODE' does")
	}
	if reason != "HOSTNAME" && reason != "ADDRESS" {
		return nil
	}
	if host == "" || strings.HasPrefix(host, "#") || strings.ContainsAny(host, " \t,*?!@|") || host != printable(host) {
		return usagef("%q is not a host name", host)
	}
	c, err := e.client(ctx, node, f)
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, hostKeyTimeout)
	defer cancel()
	key, err := c.sshHostKey(ctx)
	if err != nil {
		return fmt.Errorf("ask %s for its SSH host key: %w", node, err)
	}
	_, err = fmt.Fprintf(e.stdout, "%s %s\n", host, bytes.TrimSpace(gossh.MarshalAuthorizedKey(key)))
	return err
}

// errGotKey ends an SSH handshake that has shown the host key.
var errGotKey = errors.New("the host key is all that was wanted")

// sshHostKey takes the host key from an SSH key exchange with the node. That it
// is the node's follows from the TLS connection, whose key was verified; that
// the node holds it, from the exchange.
func (c *client) sshHostKey(ctx context.Context) (gossh.PublicKey, error) {
	conn, _, err := c.dial(ctx, sshALPN, dial.Interactive)
	if err != nil {
		return nil, err
	}
	defer conn.Close(core.CodeNone, "")
	defer context.AfterFunc(ctx, func() { conn.Close(core.CodeNone, "") })()
	s, err := conn.OpenStream(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	var key gossh.PublicKey
	_, _, _, err = gossh.NewClientConn(s, "", &gossh.ClientConfig{
		HostKeyCallback: func(_ string, _ net.Addr, k gossh.PublicKey) error { key = k; return errGotKey },
	})
	switch {
	case key != nil:
		return key, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, c.explain(err)
}
