package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/service"
	"github.com/alkdev/alknet/core/auth"
)

func (e *env) serviceCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "service",
		Short: "Have this machine start the node by itself",
		Long: `Have this machine start the node by itself, by systemd, launchd or the service
control manager of Windows. As root, or with --system, it is a service of the
machine, under an account of its own; else one of the person who asks.`,
	}, e.serviceInstallCommand(), e.serviceUninstallCommand(), e.serviceStatusCommand())
}

// serviceScope is what all three commands share.
type serviceScope struct {
	system, dryRun bool
}

func (s *serviceScope) flags(cmd *cobra.Command, changes bool) {
	cmd.Flags().BoolVar(&s.system, "system", os.Getuid() <= 0, "the service of the machine, which is what root gets without asking")
	if changes {
		cmd.Flags().BoolVar(&s.dryRun, "dry-run", false, "print files and commands, and do nothing")
	}
}

func (e *env) serviceInstallCommand() *cobra.Command {
	var (
		s serviceScope
		o service.Options
	)
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the node as a service",
		Long: `Install the node as a service that starts with the machine, or with the session
of the person who asks. Running it again changes what has changed.

With systemd, root's service runs as the account alknet in a sandbox, with its data
in /var/lib/alknet; 'systemctl edit alknet' relaxes the sandbox. A person's service
runs as that person, without one, and needs 'loginctl enable-linger' to run while
the person is not logged in.

A file that is in the way and was not written by this command stays as it is, and
nothing is changed.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.System = s.system
			return e.installService(cmd.Context(), s, o)
		},
	}
	s.flags(cmd, true)
	cmd.Flags().StringArrayVar(&o.Listen, "listen", nil, "`address` to listen on instead of config.toml's; may be repeated")
	cmd.Flags().BoolVar(&o.Socket, "socket", false, "have systemd hold the port, so that a restart refuses nobody")
	cmd.Flags().BoolVar(&o.Now, "now", false, "start it at once, or again if anything has changed")
	return cmd
}

func (e *env) installService(ctx context.Context, s serviceScope, o service.Options) (err error) {
	if o.Program, err = os.Executable(); err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	if e.data != "" || !s.system {
		d, err := e.dir()
		if err != nil {
			return err
		}
		o.Data = d.Path()
	}
	host, m, err := serviceManager()
	if err != nil {
		return err
	}
	if !s.dryRun {
		if err := m.Check(s.system, e.serviceLine("install")); err != nil {
			return err
		}
	}
	p, err := m.Install(o)
	if err != nil {
		return err
	}
	return e.carryOut(ctx, s, host, p)
}

func (e *env) serviceUninstallCommand() *cobra.Command {
	var s serviceScope
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Stop and remove the service; the data stays",
		Long: `Stop the service and remove what 'alknet service install' has written. The data
directory stays, and so does the account that owns it.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, m, err := serviceManager()
			if err != nil {
				return err
			}
			if err := m.Check(s.system, e.serviceLine("uninstall")); err != nil {
				return err
			}
			p, err := m.Uninstall(cmd.Context(), s.system)
			if err != nil {
				return err
			}
			if p.Empty() {
				fmt.Fprintln(e.stderr, "alknet: the service is not installed: there is nothing to do")
				return nil
			}
			return e.carryOut(cmd.Context(), s, host, p)
		},
	}
	s.flags(cmd, true)
	return cmd
}

func (e *env) serviceStatusCommand() *cobra.Command {
	var s serviceScope
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show whether the service is installed and runs",
		Long: `Show whether the service is installed, whether it starts by itself and whether it
runs; and its node's id, if that answers whoever asks. A person who has no service
is shown the machine's.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := e.serviceStatus(cmd.Context(), s.system)
			if err != nil {
				return err
			}
			return e.print(st, func(w io.Writer) { printService(w, st, time.Now()) })
		},
	}
	s.flags(cmd, false)
	return e.jsonFlag(cmd)
}

func (e *env) serviceStatus(ctx context.Context, system bool) (service.Status, error) {
	_, m, err := serviceManager()
	if err != nil {
		return service.Status{}, err
	}
	var st service.Status
	if !system && m.Check(false, "") == nil {
		if st, err = m.Status(ctx, false); err != nil {
			return st, err
		}
	}
	if !st.Installed {
		if err := m.Check(true, e.serviceLine("status")); err != nil && !errors.Is(err, fs.ErrPermission) {
			return st, err
		}
		if st, err = m.Status(ctx, true); err != nil {
			return st, err
		}
	}
	if st.Data != "" {
		st.NodeID = answering(ctx, st.Data)
	}
	return st, nil
}

// answering is the id of the node that answers at the data directory, or empty:
// of another account's node only root gets an answer.
func answering(ctx context.Context, data string) string {
	d, err := datadir.At(data)
	if err != nil {
		return ""
	}
	socket, err := d.Socket()
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	st, err := admin.NewClient(socket).Status(ctx)
	if err != nil {
		return ""
	}
	return st.NodeID
}

func printService(w io.Writer, st service.Status, now time.Time) {
	yes := func(b bool) string {
		if b {
			return "yes"
		}
		return "no"
	}
	fmt.Fprintf(w, "service    %s, %s\ninstalled  %s\nenabled    %s\nrunning    %s\n", st.Manager, st.Scope, yes(st.Installed), yes(st.Enabled), yes(st.Running))
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-10s %s\n", name, printable(value))
		}
	}
	row("state", st.State)
	if st.PID != 0 {
		row("process", fmt.Sprint(st.PID))
	}
	if st.Since != nil {
		row("since", fmt.Sprintf("%s (%s)", st.Since.Format(time.RFC3339), now.Sub(*st.Since).Round(time.Second)))
	}
	row("unit", st.Unit)
	row("data", st.Data)
	row("node id", st.NodeID)
	if !st.Installed {
		fmt.Fprintln(w, "\nalknet service install --now installs and starts it.")
	}
}

// carryOut runs the plan, or shows it.
func (e *env) carryOut(ctx context.Context, s serviceScope, h service.Host, p service.Plan) error {
	if s.dryRun {
		p.Print(e.stdout)
		return nil
	}
	if err := p.Run(ctx, h); err != nil {
		return err
	}
	fmt.Fprintln(e.stderr, "alknet: done")
	for _, note := range p.Notes {
		fmt.Fprintln(e.stderr, "alknet: "+note)
	}
	return nil
}

func serviceManager() (service.Host, service.Manager, error) {
	h, err := service.ThisHost()
	if err != nil {
		return h, nil, err
	}
	m, err := service.ForHost(h)
	return h, m, err
}

// serviceLine is how the command is run again, by somebody who may.
func (e *env) serviceLine(verb string) string {
	self, err := os.Executable()
	if err != nil {
		self = "alknet"
	}
	return strings.Join([]string{auth.JoinArgv([]string{filepath.Clean(self)}), "service", verb}, " ")
}
