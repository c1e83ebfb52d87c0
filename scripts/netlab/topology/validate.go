package topology

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

// validate checks what the decoder can not know: names, references, ranges.
func (t *Topology) validate() error {
	networks, hosts := map[string]bool{}, map[string]bool{}
	for i, n := range t.Networks {
		if err := declare(networks, n.Name); err != nil {
			return fmt.Errorf("network %d: %w", i+1, err)
		}
		if err := n.validate(); err != nil {
			return fmt.Errorf("network %q: %w", n.Name, err)
		}
	}
	for i, n := range t.NATs {
		if err := refer(networks, n.In); err != nil {
			return fmt.Errorf("nat %q: in: %w", n.Name, err)
		}
		if err := declare(networks, n.Name); err != nil {
			return fmt.Errorf("nat %d: %w", i+1, err)
		}
		if err := shapes(n.Up, n.Down, n.Both); err != nil {
			return fmt.Errorf("nat %q: %w", n.Name, err)
		}
	}
	for i, h := range t.Hosts {
		if err := declare(hosts, h.Name); err != nil {
			return fmt.Errorf("host %d: %w", i+1, err)
		}
		if err := refer(networks, h.In); err != nil {
			return fmt.Errorf("host %q: in: %w", h.Name, err)
		}
		if err := h.validate(); err != nil {
			return fmt.Errorf("host %q: %w", h.Name, err)
		}
	}
	if len(hosts) == 0 {
		return errors.New("no [[host]]: there is nothing to run a command in")
	}
	sort.SliceStable(t.Events, func(i, j int) bool { return t.Events[i].After < t.Events[j].After })
	for _, e := range t.Events {
		if err := t.validateEvent(e, networks, hosts); err != nil {
			return fmt.Errorf("at %s: %w", e.After, err)
		}
	}
	return nil
}

func (n *Network) validate() error {
	var families []bool
	for _, p := range n.Prefixes {
		v4 := p.Addr().Is4()
		if slices.Contains(families, v4) {
			return fmt.Errorf("prefixes: two of one family: %v", n.Prefixes)
		}
		families = append(families, v4)
		if v4 && n.Only == "ipv6" || !v4 && n.Only == "ipv4" {
			return fmt.Errorf("prefixes: %s, but only is %q", p, n.Only)
		}
	}
	if !slices.Contains([]string{"", "ipv4", "ipv6"}, n.Only) {
		return fmt.Errorf("only: %q: want \"ipv4\" or \"ipv6\", or no such key for both", n.Only)
	}
	return nil
}

func (h *Host) validate() error {
	for _, p := range h.Run {
		if len(p.Command) == 0 {
			return errors.New("run: no command")
		}
	}
	return shapes(h.Up, h.Down, h.Both)
}

func (t *Topology) validateEvent(e Event, networks, hosts map[string]bool) error {
	if (e.Host == "") == (e.NAT == "") {
		return errors.New("want a host or a nat, one of them")
	}
	if e.Host != "" {
		if err := refer(hosts, e.Host); err != nil {
			return fmt.Errorf("host: %w", err)
		}
		if e.Rebind {
			return errors.New("rebind: a host has no mappings, name a nat")
		}
	} else {
		nats := map[string]bool{}
		for _, n := range t.NATs {
			nats[n.Name] = true
		}
		if err := refer(nats, e.NAT); err != nil {
			return fmt.Errorf("nat: %w", err)
		}
	}
	if e.Move != "" {
		if err := refer(networks, e.Move); err != nil {
			return fmt.Errorf("move: %w", err)
		}
	}
	if e.Move == "" && !e.Rebind && e.Up == nil && e.Down == nil && e.Both == nil {
		return errors.New("nothing happens: want move, rebind, up, down or both")
	}
	return shapes(e.Up, e.Down, e.Both)
}

func declare(names map[string]bool, name string) error {
	switch {
	case name == "":
		return errors.New("no name")
	case names[name]:
		return fmt.Errorf("the name %q is taken", name)
	}
	names[name] = true
	return nil
}

func refer(names map[string]bool, name string) error {
	if names[name] {
		return nil
	}
	var known []string
	for n := range names {
		known = append(known, n)
	}
	sort.Strings(known)
	return fmt.Errorf("%q is not declared above; there is: %s", name, strings.Join(known, ", "))
}

// shapes checks the shapes of both directions.
func shapes(up, down, both *link.Settings) error {
	if both != nil && (up != nil || down != nil) {
		return errors.New("want both, or up and down, not all")
	}
	for _, s := range []struct {
		name     string
		settings *link.Settings
	}{{"up", up}, {"down", down}, {"both", both}} {
		if s.settings == nil {
			continue
		}
		if _, err := s.settings.Shape(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
