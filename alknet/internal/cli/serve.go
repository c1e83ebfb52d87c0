package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/systemd"
	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/core/auth"
)

func (e *env) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the node",
		Long: `Run the node. An empty data directory is set up first, as 'alknet init' does;
the recovery words are shown on the terminal only, and without one
'alknet vault export' shows them later.

SIGTERM and Ctrl-C make the node take nothing new and wait for running work; a
second one stops it at once. SIGHUP is 'alknet reload'.

Started by a service manager, the node tells it how it is (sd_notify) and answers
its watchdog. Sockets that the manager has bound (LISTEN_FDS) take the place of
the addresses in config.toml; with --listen beside them the node does not start.
'alknet service install' sets all that up.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return supervised(e, func(signals chan os.Signal, tell func(node.State)) error {
				return e.serve(cmd.Context(), o, signals, tell)
			})
		},
	}
	cmd.Flags().StringArrayVar(&o.listen, "listen", nil, "`address` to listen on, UDP and TCP alike, instead of config.toml's; may be repeated; port 0 picks a free one")
	cmd.Flags().BoolVar(&o.ready, "print-ready", false, "print one line of JSON once every listener accepts, and nothing else, on standard output")
	return cmd
}

type serveOptions struct {
	listen []string
	ready  bool // --print-ready
}

// readyLine is what --print-ready prints.
type readyLine struct {
	NodeID string   `json:"node_id"`
	Listen []string `json:"listen"`
	PID    int      `json:"pid"`
}

// serve runs the node; tell may be nil.
func (e *env) serve(ctx context.Context, o serveOptions, signals chan os.Signal, tell func(node.State)) (err error) {
	d, err := e.dir()
	if err != nil {
		return err
	}
	m, err := systemd.Take()
	if err != nil {
		return err
	}
	defer m.Close()
	// 'systemctl status' leaves the log of an attempt out once it waits for the next.
	defer func() {
		if err != nil {
			m.Failed(oneLine(err))
		}
	}()
	if err := d.CheckServe(); err != nil {
		return err
	}
	if len(m.Sockets) > 0 && len(o.listen) > 0 {
		return usagef("the service manager has passed sockets, and --listen names addresses: leave one out (--listen, or the socket unit)")
	}
	if err := noCoreDump(); err != nil {
		return err
	}
	if err := noAmbientRights(); errors.Is(err, errors.ErrUnsupported) {
		fmt.Fprintln(e.stderr, "alknet: "+oneLine(err)) // and no reason not to start
	} else if err != nil {
		return err
	}
	// A crash ends by SIGABRT: Go's exit code for it is that of bad usage, after
	// which service managers must not start the node again.
	debug.SetTraceback("crash")
	if err := e.setUp(ctx, d); err != nil {
		return err
	}
	// From here on a signal finds a listener: whoever sees the ready line, or
	// the socket, may send one.
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	s := &supervision{manager: &m, stderr: e.stderr, tell: tell}
	n, err := node.New(ctx, node.Config{
		Dir: d.Path(), Listen: o.listen, Sockets: s.sockets(), KeyFile: e.vaultKey(),
		Passphrase: e.passphrase, Version: version(), Notify: s.notify,
	})
	if err != nil {
		return err
	}
	switch {
	case o.ready:
		err = json.NewEncoder(e.stdout).Encode(readyLine{n.ID().String(), n.Addrs(), os.Getpid()})
	case !m.Notifies(): // else nobody is there to try anything
		err = e.banner(n)
	}
	if err != nil {
		n.Close()
		return fmt.Errorf("tell that the node is ready: %w", err)
	}
	defer s.watch(n)()
	return e.run(ctx, n, signals)
}

// setUp does what init does, if nobody has.
func (e *env) setUp(ctx context.Context, d datadir.Dir) error {
	if err := d.Check(); !errors.Is(err, datadir.ErrEmpty) {
		return err
	}
	o := node.InitOptions{KeyFile: e.vaultKey()}
	if e.passphraseFile != "" {
		var err error
		if o.Passphrase, err = secretFile(e.passphraseFile, "passphrase"); err != nil {
			return err
		}
	}
	made, err := node.Init(ctx, d.Path(), o)
	if errors.Is(err, node.ErrInitialised) {
		return nil // by somebody else, just now; the lock decides who serves
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "alknet: set up a new node in %s\n", d.Path())
	if made.Words != nil {
		defer made.Words.Destroy()
	}
	if made.Words == nil || !isTerminal(e.stderr) {
		fmt.Fprintf(e.stderr, "alknet: its recovery words: %s vault export\n", e.program())
		return nil
	}
	fmt.Fprintln(e.stderr)
	printWords(e.stderr, strings.Fields(made.Words.Reveal()))
	fmt.Fprintln(e.stderr)
	return nil
}

// run serves until a signal. The node drains at the first and stops at the
// second.
func (e *env) run(ctx context.Context, n *node.Node, signals <-chan os.Signal) error {
	serving, drain := context.WithCancel(ctx)
	defer drain()
	asked := false // ctx may end by the same signal, before or after this sees it
	ended := make(chan error, 1)
	go func() { ended <- n.Run(serving) }()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				if _, err := n.Reload(); err != nil {
					fmt.Fprintln(e.stderr, "alknet: "+oneLine(err))
				}
			case !asked:
				asked = true
				drain()
			default:
				n.Stop(true)
			}
		}
	}
}

// banner tells a person what the node is and how to reach it from here.
func (e *env) banner(n *node.Node) error {
	target := strings.TrimPrefix(n.Target(), "alknet://")
	_, place, _ := strings.Cut(target, "@")
	self := e.program()
	var b strings.Builder
	fmt.Fprintf(&b, "node id  %s\n", n.ID())
	for i, a := range n.Addrs() {
		fmt.Fprintf(&b, "%-8s %s (UDP and TCP)\n", []string{"listens", ""}[min(i, 1)], a)
	}
	writeFirewall(&b, n.Addrs())
	fmt.Fprintf(&b, `
Try, on this machine:
  curl -k https://%[1]s/
  %[2]s ssh-config %[3]s --alias here > here.conf
  ssh -F here.conf here
  a browser: https://%[1]s/ (the certificate is the node's own: '%[2]s id' shows its hash)

Let somebody in:
  %[2]s peer add NAME KEY --scope ssh:shell --scope ssh:exec --as-admin
`, place, self, target)
	_, err := io.WriteString(e.stdout, b.String())
	return err
}

// program is how a person runs this very program on this data directory, from
// the folder in which it was started.
func (e *env) program() string {
	words := []string{e.name}
	if _, err := exec.LookPath(e.name); err != nil {
		words[0] = "alknet"
		if self, err := os.Executable(); err == nil {
			words[0] = self
		}
	}
	given, err := e.dir()
	if usual, usualErr := datadir.At(""); e.data != "" && (err != nil || usualErr != nil || given.Path() != usual.Path()) {
		words = append(words, "--data", e.data)
	}
	if e.keyFile != "" {
		words = append(words, "--key-file", e.keyFile)
	}
	return auth.JoinArgv(words)
}
