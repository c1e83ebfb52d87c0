package call_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// TestConformance plays testdata/conformance against a Server, on connections
// of either kind.
func TestConformance(t *testing.T) {
	transports := map[string]func(string, ...coretest.Option) (core.Connection, core.Connection){
		"many": coretest.Pair, "single": coretest.StreamPair,
	}
	for _, c := range conformanceCases(t) {
		for kind, connect := range transports {
			if c.only != "" && c.only != kind {
				continue
			}
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					client, server := connect(call.ALPN)
					play(t, c, kind == "single", conformanceNode(t), client, server)
				})
			})
		}
	}
}

// A script is one case of a file.
type script struct {
	name, who, only string
	steps           []step
}

type step struct {
	line               int
	verb, stream, text string
}

var (
	caseLine = regexp.MustCompile(`^-- (.+) --$`)
	stepLine = regexp.MustCompile(`^(>[x.!]?|<(?:[.!*]|\d+)?|pause|resume) ([cs](?:\d+|\*))(?: (.*))?$`)
	waitLine = regexp.MustCompile(`^(wait) ()(\S+)$`)
)

func conformanceCases(t *testing.T) []*script {
	t.Helper()
	files, err := filepath.Glob("testdata/conformance/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	var all []*script
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(filepath.Base(file), ".txtar")
		var now *script
		for i, line := range strings.Split(string(data), "\n") {
			if m := caseLine.FindStringSubmatch(line); m != nil {
				now = &script{name: base + "/" + m[1]}
				all = append(all, now)
			} else if now != nil {
				if err := now.add(i+1, line); err != nil {
					t.Fatalf("%s:%d: %v", file, i+1, err)
				}
			}
		}
	}
	return all
}

func (c *script) add(n int, line string) error {
	s := step{line: n}
	words := strings.Fields(line)
	switch m := stepLine.FindStringSubmatch(line); {
	case len(words) == 0 || words[0][0] == '#':
		return nil
	case m != nil:
		s.verb, s.stream, s.text = m[1], m[2], m[3]
	case words[0] == "connect" && len(words) == 2:
		c.who = words[1]
		return nil
	case words[0] == "only" && len(words) == 2 && (words[1] == "many" || words[1] == "single"):
		c.only = words[1]
		return nil
	case len(words) == 1 && (words[0] == "(" || words[0] == ")" || words[0] == "quiet"):
		s.verb = words[0]
	default:
		m := waitLine.FindStringSubmatch(line)
		if m == nil {
			return fmt.Errorf("%q is no step", line)
		}
		s.verb, s.text = m[1], m[3]
	}
	c.steps = append(c.steps, s)
	return nil
}

func play(t *testing.T, c *script, single bool, node *call.Server, client, server core.Connection) {
	ctx := t.Context()
	ended := make(chan error, 1)
	var granted []string
	if id, ok := node.Identities.(identities)["alk_"+c.who]; ok {
		for _, s := range id.Scopes {
			granted = append(granted, s.String())
		}
	} else if c.who != "" {
		t.Fatalf("nobody is called %q", c.who)
	}
	who := coretest.Auth(t, server, c.who, granted...)
	go func() { ended <- node.Handle(ctx, server, who) }()
	p := newPlayer(t, client, single)
	defer func() {
		p.close()
		if err := <-ended; err != nil {
			t.Errorf("Handle: %v", err)
		}
	}()
	var group []step
	grouping := false
	for _, s := range append(c.steps, step{verb: "quiet"}) {
		p.line = s.line
		switch {
		case s.verb == "(":
			grouping = true
		case s.verb == ")":
			p.expectAll(group)
			group, grouping = nil, false
		case grouping:
			group = append(group, s)
		default:
			p.step(s)
		}
	}
}

func (p *player) step(s step) {
	p.t.Helper()
	switch s.verb {
	case ">":
		p.send(s.stream, frame(p.bindings.fill(s.text)))
	case ">x":
		data, err := hex.DecodeString(s.text)
		if err != nil {
			p.fatalf("%v", err)
		}
		p.send(s.stream, data)
	case ">.":
		if err := p.open(s.stream).CloseWrite(); err != nil {
			p.fatalf("end %s: %v", s.stream, err)
		}
	case ">!":
		st := p.open(s.stream)
		st.CancelWrite(core.CodeNone)
		st.CancelRead(core.CodeNone)
		st.expected = true
	case "<":
		p.expect(s)
	case "<*":
		for p.matches(s) {
		}
	case "<.":
		p.expectEnd(s.stream)
	case "<!":
		p.expectCut(s.stream)
	case "pause", "resume":
		p.pause(s.stream, s.verb == "pause")
	case "wait":
		d, err := time.ParseDuration(s.text)
		if err != nil {
			p.fatalf("%v", err)
		}
		time.Sleep(d) // of the bubble's clock
	case "quiet":
		p.quiet()
	default:
		n, err := strconv.Atoi(s.verb[1:])
		if err != nil {
			p.fatalf("%q", s.verb)
		}
		for range n {
			p.expect(s)
		}
	}
}
