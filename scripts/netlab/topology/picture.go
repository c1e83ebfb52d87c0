package topology

import (
	"fmt"
	"strings"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

// String draws the topology as a tree, with the events below it.
func (t *Topology) String() string {
	var b strings.Builder
	for _, n := range t.Networks {
		words := []string{n.Name}
		for _, p := range n.Prefixes {
			words = append(words, p.String())
		}
		if n.Only != "" {
			words = append(words, n.Only+" only")
		}
		b.WriteString(strings.Join(words, "  ") + "\n")
		t.draw(&b, n.Name, "")
	}
	if len(t.Events) > 0 {
		b.WriteString("\n")
	}
	for _, e := range t.Events {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// draw writes what is joined to a network.
func (t *Topology) draw(b *strings.Builder, network, indent string) {
	type branch struct{ text, network string }
	var branches []branch
	for _, n := range t.NATs {
		if n.In == network {
			branches = append(branches, branch{fmt.Sprintf("%s  NAT %s%s", n.Name, n.Kind, describe(n.Up, n.Down, n.Both)), n.Name})
		}
	}
	for _, h := range t.Hosts {
		if h.In == network {
			text := h.Name + describe(h.Up, h.Down, h.Both)
			for _, p := range h.Run {
				text += "  runs " + strings.Join(p.Command, " ")
			}
			branches = append(branches, branch{text, ""})
		}
	}
	for i, br := range branches {
		fork, below := "├── ", "│   "
		if i == len(branches)-1 {
			fork, below = "└── ", "    "
		}
		b.WriteString(indent + fork + br.text + "\n")
		if br.network != "" {
			t.draw(b, br.network, indent+below)
		}
	}
}

// String says when what happens.
func (e Event) String() string {
	var what []string
	if e.Move != "" {
		what = append(what, "moves to "+e.Move)
	}
	if e.Rebind {
		what = append(what, "forgets its mappings")
	}
	if d := describe(e.Up, e.Down, e.Both); d != "" {
		what = append(what, "gets the link "+strings.TrimSpace(d))
	}
	return fmt.Sprintf("at %s %s %s", e.After, e.Host+e.NAT, strings.Join(what, " and "))
}

func describe(up, down, both *link.Settings) string {
	var b strings.Builder
	for _, d := range []struct {
		name     string
		settings *link.Settings
	}{{"both ways", both}, {"up", up}, {"down", down}} {
		if d.settings == nil {
			continue
		}
		shape, err := d.settings.Shape()
		if err != nil {
			continue
		}
		fmt.Fprintf(&b, "  [%s: %s]", d.name, shape)
	}
	return b.String()
}
