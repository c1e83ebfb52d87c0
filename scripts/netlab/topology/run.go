package topology

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// ErrNotReady is the reason why Start failed when a program ended or was silent
// before it said that it was ready.
var ErrNotReady = errors.New("program is not ready")

// readyWithin is how long Start waits for one program.
const readyWithin = 30 * time.Second

// Setup is a topology in a lab.
type Setup struct {
	topology *Topology
	networks map[string]*netlab.Network
	hosts    map[string]*netlab.Host
	copies   sync.WaitGroup
}

// Build makes what the topology describes in an empty lab.
func (t *Topology) Build(lab *netlab.Lab) (*Setup, error) {
	s := &Setup{topology: t, networks: map[string]*netlab.Network{}, hosts: map[string]*netlab.Host{}}
	for _, n := range t.Networks {
		s.networks[n.Name] = lab.Network(n.Name, n.options()...)
	}
	for _, n := range t.NATs {
		var options []netlab.NetworkOption
		if n.Prefix.IsValid() {
			options = append(options, netlab.Prefix(n.Prefix))
		}
		if n.PMTUD {
			options = append(options, netlab.PMTUD())
		}
		inside := s.networks[n.In].NAT(n.Name, nat.Config{
			Kind: n.Kind, Hairpin: n.Hairpin, UDPTimeout: time.Duration(n.UDPTimeout), TCPTimeout: time.Duration(n.TCPTimeout),
		}, options...)
		s.networks[n.Name] = inside
		if err := reshape(inside.Gateway().Link(), n.Up, n.Down, n.Both); err != nil {
			return nil, err
		}
	}
	for _, h := range t.Hosts {
		host := s.networks[h.In].Host(h.Name)
		s.hosts[h.Name] = host
		if err := reshape(host.Link(), h.Up, h.Down, h.Both); err != nil {
			return nil, err
		}
	}
	return s, lab.Err()
}

func (n *Network) options() []netlab.NetworkOption {
	var o []netlab.NetworkOption
	switch n.Only {
	case "ipv4":
		o = append(o, netlab.V4Only())
	case "ipv6":
		o = append(o, netlab.V6Only())
	}
	for _, p := range n.Prefixes {
		o = append(o, netlab.Prefix(p))
	}
	if n.PMTUD {
		o = append(o, netlab.PMTUD())
	}
	return o
}

// reshape sets the directions for which there are settings.
func reshape(l *netlab.Link, up, down, both *link.Settings) error {
	if both != nil {
		up, down = both, both
	}
	for _, d := range []struct {
		settings *link.Settings
		set      func(link.Shape) error
	}{{up, l.Up}, {down, l.Down}} {
		if d.settings == nil {
			continue
		}
		shape, err := d.settings.Shape()
		if err != nil {
			return err
		}
		if err := d.set(shape); err != nil {
			return err
		}
	}
	return nil
}

// Host returns the host with the name, the first one of the file for an empty
// name, and nil for an unknown one.
func (s *Setup) Host(name string) *netlab.Host {
	if name == "" {
		name = s.topology.Hosts[0].Name
	}
	return s.hosts[name]
}

// Network returns the network with the name, that behind the NAT of the name, or
// nil.
func (s *Setup) Network(name string) *netlab.Network { return s.networks[name] }

// Start starts the programs of all hosts, one after the other in the order of
// the file, and waits until each is ready. Their output goes to out, each line
// behind the name of its host. They run until ctx or the lab ends; Wait waits
// for their last output.
func (s *Setup) Start(ctx context.Context, out io.Writer) error {
	out = &lockedWriter{w: out}
	for _, h := range s.topology.Hosts {
		for _, p := range h.Run {
			if err := s.start(ctx, s.hosts[h.Name], p, out); err != nil {
				return fmt.Errorf("host %s: %s: %w", h.Name, p.Command[0], err)
			}
		}
	}
	return nil
}

func (s *Setup) start(ctx context.Context, host *netlab.Host, p Program, out io.Writer) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := host.Command(ctx, p.Command[0], p.Command[1:]...)
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return err
	}
	ready := make(chan struct{})
	ended := make(chan error, 1)
	s.copies.Go(func() {
		defer r.Close()
		follow(r, p, host.Name(), out, ready)
		ended <- cmd.Wait()
	})
	if p.Ready.Regexp == nil {
		return nil
	}
	late := time.NewTimer(readyWithin)
	defer late.Stop()
	select {
	case <-ready:
		return nil
	case err := <-ended:
		if err == nil {
			err = errors.New("exit status 0")
		}
		return fmt.Errorf("%w: it ended (%w) before a line matched %q", ErrNotReady, err, p.Ready)
	case <-late.C:
		return fmt.Errorf("%w: no line matched %q within %s", ErrNotReady, p.Ready, readyWithin)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// follow copies lines to out and closes ready at the first one that matches.
func follow(r io.Reader, p Program, name string, out io.Writer, ready chan<- struct{}) {
	lines := bufio.NewReaderSize(r, 1<<16)
	waiting := p.Ready.Regexp != nil
	for {
		line, err := lines.ReadSlice('\n')
		text := strings.TrimRight(string(line), "\r\n")
		if len(line) > 0 {
			fmt.Fprintf(out, "%s: %s\n", name, text)
		}
		if waiting && len(line) > 0 && p.Ready.MatchString(text) {
			waiting = false
			close(ready)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// Wait returns when all programs have ended.
func (s *Setup) Wait() { s.copies.Wait() }

// Play carries the events out, counted from now, and tells each to log. It
// returns after the last one, or when ctx ends.
func (s *Setup) Play(ctx context.Context, log func(string)) error {
	begin := time.Now()
	for _, e := range s.topology.Events {
		timer := time.NewTimer(time.Until(begin.Add(time.Duration(e.After))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		log(e.String())
		if err := s.happen(e); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
	}
	return nil
}

func (s *Setup) happen(e Event) error {
	if e.Host != "" {
		h := s.hosts[e.Host]
		if err := reshape(h.Link(), e.Up, e.Down, e.Both); err != nil || e.Move == "" {
			return err
		}
		return h.Move(s.networks[e.Move])
	}
	g := s.networks[e.NAT].Gateway()
	if err := reshape(g.Link(), e.Up, e.Down, e.Both); err != nil {
		return err
	}
	if e.Rebind {
		g.Rebind()
	}
	if e.Move == "" {
		return nil
	}
	return g.Move(s.networks[e.Move])
}

// lockedWriter keeps the lines of several programs apart.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
