package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"text/tabwriter"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
	"github.com/alkdev/alknet/scripts/netlab/topology"
)

// run makes the lab, runs the command in it and returns its exit code.
func (j *job) run(stdout, stderr io.Writer) (code int, err error) {
	lab, err := netlab.Open(netlab.Config{Seed: j.topology.Seed, MTU: j.topology.MTU})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	fmt.Fprintf(stderr, "netlab: seed %d\n", lab.Seed())
	setup, err := j.topology.Build(lab)
	if err != nil {
		return 0, err
	}
	host := setup.Host(j.host)
	if host == nil {
		return 0, usageError{fmt.Errorf("-in: the topology has no host %q", j.host)}
	}
	if j.pcap != "" {
		if err := lab.Capture(j.pcap); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer setup.Wait()
	defer cancel()
	var foreground atomic.Bool
	defer watch(cancel, &foreground)()
	if err := setup.Start(ctx, stderr); err != nil {
		return 0, err
	}

	cmd := host.Command(ctx, j.command[0], j.command[1:]...)
	// The command stays in the group of the terminal: it may read from it, and
	// its keys interrupt it.
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	foreground.Store(true)
	if err := cmd.Start(); err != nil {
		return 0, usageError{err}
	}
	code, err = j.attend(ctx, setup, cmd, stderr)
	if j.stats {
		table(stderr, setup, j.topology)
	}
	return code, err
}

// attend lets the events happen until the command ends.
func (j *job) attend(ctx context.Context, setup *topology.Setup, cmd *netlab.Cmd, stderr io.Writer) (int, error) {
	events, stop := context.WithCancel(ctx)
	played := make(chan error, 1)
	go func() {
		played <- setup.Play(events, func(what string) { fmt.Fprintf(stderr, "netlab: %s\n", what) })
	}()
	ended := cmd.Wait()
	stop()
	if err := <-played; err != nil && !errors.Is(err, context.Canceled) {
		return 0, err
	}
	return exitCode(ended)
}

// watch ends what runs when a signal comes. An interrupt is the command's own
// business as soon as there is one, as in a shell.
func watch(cancel context.CancelFunc, foreground *atomic.Bool) (stop func()) {
	signals, done := make(chan os.Signal, 4), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		defer close(done)
		for s := range signals {
			if s != os.Interrupt || !foreground.Load() {
				cancel()
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}

func exitCode(err error) (int, error) {
	if err == nil {
		return 0, nil
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// table tells what the links did.
func table(w io.Writer, setup *topology.Setup, t *topology.Topology) {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "link\tin\tout\tloss\tburst\tqueue\tmtu\tudp\toverrun\t")
	row := func(name string, s link.Stats, overrun uint64) {
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, s.In.Packets, s.Out.Packets,
			s.Loss.Packets, s.Burst.Packets, s.Queue.Packets, s.MTU.Packets, s.UDP.Packets, overrun)
	}
	for _, h := range t.Hosts {
		s := setup.Host(h.Name).Link().Stats()
		row(h.Name+" up", s.Up, s.Overrun)
		row(h.Name+" down", s.Down, 0)
	}
	for _, n := range t.NATs {
		s := setup.Network(n.Name).Gateway().Link().Stats()
		row(n.Name+" up", s.Up, 0)
		row(n.Name+" down", s.Down, 0)
	}
	out.Flush()
}
