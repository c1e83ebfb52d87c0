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
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/node"
	"github.com/alkdev/alknet/core/auth"
)

func (e *env) serveCommand() *cobra.Command {
	var (
		listen []string
		ready  bool
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the node",
		Long: `Run the node. An empty data directory is set up first, as 'alknet init' does;
the recovery words are shown on the terminal only, and without one
'alknet vault export' shows them later.

SIGTERM and Ctrl-C make the node take nothing new and wait for running work; a
second one stops it at once. SIGHUP is 'alknet reload'.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return e.serve(cmd.Context(), listen, ready) },
	}
	cmd.Flags().StringArrayVar(&listen, "listen", nil, "`address` to listen on, UDP and TCP alike, instead of config.toml's; may be repeated; port 0 picks a free one")
	cmd.Flags().BoolVar(&ready, "print-ready", false, "print one line of JSON once every listener accepts, and nothing else, on standard output")
	return cmd
}

// readyLine is what --print-ready prints.
type readyLine struct {
	NodeID string   `json:"node_id"`
	Listen []string `json:"listen"`
	PID    int      `json:"pid"`
}

func (e *env) serve(ctx context.Context, listen []string, ready bool) error {
	d, err := e.dir()
	if err != nil {
		return err
	}
	if err := noCoreDump(); err != nil {
		return err
	}
	if err := e.setUp(ctx, d); err != nil {
		return err
	}
	// From here on a signal finds a listener: whoever sees the ready line, or
	// the socket, may send one.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	n, err := node.New(ctx, node.Config{Dir: d.Path(), Listen: listen, Passphrase: e.passphrase, Version: version()})
	if err != nil {
		return err
	}
	if ready {
		err = json.NewEncoder(e.stdout).Encode(readyLine{n.ID().String(), n.Addrs(), os.Getpid()})
	} else {
		err = e.banner(n)
	}
	if err != nil {
		n.Close()
		return fmt.Errorf("tell that the node is ready: %w", err)
	}
	return e.run(ctx, n, signals)
}

// setUp does what init does, if nobody has.
func (e *env) setUp(ctx context.Context, d datadir.Dir) error {
	if err := d.Check(); !errors.Is(err, datadir.ErrEmpty) {
		return err
	}
	var o node.InitOptions
	if e.passphraseFile != "" {
		var err error
		if o.Passphrase, err = secretFile(e.passphraseFile); err != nil {
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
	if usual, usualErr := datadir.At(""); e.data != "" && (err != nil || usualErr != nil || given != usual) {
		words = append(words, "--data", e.data)
	}
	return auth.JoinArgv(words)
}
