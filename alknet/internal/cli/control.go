package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/datadir"
)

// setUpDir is the data directory, which must hold a node.
func (e *env) setUpDir() (datadir.Dir, error) {
	d, err := e.dir()
	if err != nil {
		return datadir.Dir{}, err
	}
	return d, d.Check()
}

// runningNode is the node's administration. That it runs is found out by the
// first request.
func (e *env) runningNode() (datadir.Dir, *admin.Client, error) {
	d, err := e.setUpDir()
	if err != nil {
		return datadir.Dir{}, nil, err
	}
	socket, err := d.Socket()
	return d, admin.NewClient(socket), err
}

func notRunning(err error) error {
	if errors.Is(err, admin.ErrNotRunning) {
		return fmt.Errorf("%w: start it with 'alknet serve'", err)
	}
	return err
}

func (e *env) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the running node and its connections",
		Args:  args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, node, err := e.runningNode()
			if err != nil {
				return err
			}
			s, err := node.Status(cmd.Context())
			if err != nil {
				return notRunning(err)
			}
			return e.print(s, func(w io.Writer) { printStatus(w, s, time.Now()) })
		},
	}
	return e.jsonFlag(cmd)
}

func printStatus(w io.Writer, s admin.Status, now time.Time) {
	fmt.Fprintf(w, "node id      %s\nversion      %s\nprocess      %d\nup           %s\nlistens      %s\nprotocols    %s\npeers        %d\ntokens       %d\nconnections  %d\n",
		printable(s.NodeID), printable(s.Version), s.PID, now.Sub(s.Started).Round(time.Second), printable(strings.Join(s.Listen, ", ")),
		printable(strings.Join(s.ALPNs, ", ")), s.Peers, s.Tokens, len(s.Connections))
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "warning      %s\n", printable(warning))
	}
	if len(s.Connections) > 0 {
		fmt.Fprintln(w)
		t := newTable(w, "PEER", "PROTOCOL", "OVER", "FROM", "FOR")
		for _, c := range s.Connections {
			t.row(orDash(c.Peer), orDash(c.ALPN), c.Transport, c.RemoteAddr, now.Sub(c.Since).Round(time.Second).String())
		}
		t.flush()
	}
	if len(s.Links) > 0 {
		fmt.Fprintln(w)
		t := newTable(w, "IMPORTED FROM", "AS", "STATE")
		for _, l := range s.Links {
			t.row(l.Name, l.Prefix+"/", linkState(l))
		}
		t.flush()
	}
}

func linkState(l admin.Link) string {
	switch {
	case !l.Connected:
		return "not connected: " + oneLine(errors.New(l.Error))
	case l.Error != "":
		return "connected: " + l.Error
	}
	return "connected"
}

func (e *env) reloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running node read config.toml and peers.toml again",
		Long: `Have the running node read config.toml, peers.toml and certificate files again.
Peers, tokens, roles, limits and certificates are in force at once; what else has changed is listed and takes
effect on the next start. A fault refuses everything and the old configuration
stays.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, node, err := e.runningNode()
			if err != nil {
				return err
			}
			r, err := node.Reload(cmd.Context())
			if err != nil {
				return notRunning(err)
			}
			return e.print(r, func(w io.Writer) {
				fmt.Fprintln(w, "reloaded")
				if len(r.NeedsRestart) > 0 {
					fmt.Fprintf(w, "on the next start: %s\n", printable(strings.Join(r.NeedsRestart, ", ")))
				}
			})
		},
	}
	return e.jsonFlag(cmd)
}

func (e *env) stopCommand() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use:   "stop",
		Short: "Stop the running node, and wait until it has stopped",
		Long: `Stop the running node: it takes nothing new, and running work has the drain time
of config.toml to end. The command returns once the node has stopped.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, node, err := e.runningNode()
			if err != nil {
				return err
			}
			if err := node.Stop(cmd.Context(), now); err != nil {
				return notRunning(err)
			}
			return waitStopped(cmd.Context(), d)
		},
	}
	cmd.Flags().BoolVar(&now, "now", false, "break off running work")
	return cmd
}

// waitStopped returns once the node has let go of the data directory, so that
// another can start there.
func waitStopped(ctx context.Context, d datadir.Dir) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		unlock, err := d.Lock()
		if err == nil {
			return unlock()
		}
		if !errors.Is(err, datadir.ErrLocked) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the node was told to stop and still works: %w", context.Cause(ctx))
		}
	}
}

// table aligns columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...string) table {
	t := table{newColumns(w)}
	t.row(head...)
	return t
}

func newColumns(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// row keeps control characters, which could come from a file, off the terminal.
func (t table) row(cells ...string) {
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	for i, c := range cells {
		cells[i] = printable(c)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t table) flush() { t.w.Flush() }

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
