package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// TestDialler shows what the dialler and its connections do in networks that
// misbehave: the programs are the real ones, ssh included, and the hosts are
// those of a lab. docs/network.md has the table that it prints.
func TestDialler(t *testing.T) {
	if testing.Short() {
		t.Skip("two minutes of waiting for networks: not in a short run")
	}
	t.Parallel()
	var table observations
	// They wait for networks, not for processors, and so all run at once,
	// whatever -parallel says.
	var running sync.WaitGroup
	for _, s := range []struct {
		name string
		run  func(testing.TB) string
	}{
		{"UDP blocked", udpBlocked},
		{"IPv6 only", ipv6Only},
		{"30 % of the packets lost each way", manyLost},
		{"packets above 1280 bytes vanish", smallPackets},
		{"another address", func(t testing.TB) string { return moved(t, "quic") }},
		{"another network while one types", roamed},
		{"no network for 5 s", noNetwork},
		{"NAT restarts: full cone", func(t testing.TB) string { return rebound(t, nat.FullCone) }},
		{"NAT restarts: address restricted", func(t testing.TB) string { return rebound(t, nat.AddressRestricted) }},
		{"NAT restarts: port restricted", func(t testing.TB) string { return rebound(t, nat.PortRestricted) }},
		{"NAT restarts: symmetric", func(t testing.TB) string { return rebound(t, nat.Symmetric) }},
		{"idle for 70 s behind a NAT that forgets UDP after 30 s", idleBehindNAT},
		{"silence of 90 s, over QUIC", func(t testing.TB) string { return silence(t, "quic") }},
		{"silence of 90 s, over TCP", func(t testing.TB) string { return silence(t, "tcp") }},
	} {
		running.Go(func() {
			t.Run(s.name, func(t *testing.T) { table.add(s.name, s.run(t)) })
		})
	}
	running.Wait()
	table.print(t)
}

type observations struct {
	mu   sync.Mutex
	rows []string // protected by mu
}

func (o *observations) add(scenario, observed string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rows = append(o.rows, fmt.Sprintf("| %s | %s |", scenario, observed))
}

func (o *observations) print(t testing.TB) {
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.Sort(o.rows)
	t.Logf("observed:\n%s", strings.Join(o.rows, "\n"))
}

// world is a node on one host of a lab and a client on another, with a round
// trip of 40 ms between them.
type world struct {
	t              testing.TB
	lab            *netlab.Lab
	internet       *netlab.Network
	server, client *netlab.Host
	node, guest    *node
}

var farAway = link.Shape{Delay: 20 * time.Millisecond}

// newWorld puts the client where place says; nil stands for the internet itself.
func newWorld(t testing.TB, place func(*netlab.Network) *netlab.Network, o ...netlab.NetworkOption) *world {
	t.Helper()
	need(t, "ssh")
	lab := netlab.New(t, netlab.Config{Seed: 1})
	w := &world{t: t, lab: lab, internet: lab.Network("internet", o...)}
	w.server = w.internet.Host("server")
	at := w.internet
	if place != nil {
		at = place(w.internet)
	}
	w.client = at.Host("client")
	w.client.Link().Both(farAway)
	w.node, w.guest = &node{dir: filepath.Join(t.TempDir(), "node")}, newClient(t)
	w.serve()
	w.node.admit(t, "guest", w.guest.id)
	return w
}

func (w *world) command(h *netlab.Host, name string, arg ...string) *netlab.Cmd {
	cmd := h.Command(w.t.Context(), name, arg...)
	cmd.Env = environment(w.t)
	return cmd
}

// serve starts the node, which lives as long as the lab.
func (w *world) serve() {
	w.t.Helper()
	cmd := w.command(w.server, program(w.t), "--data", w.node.dir, "serve", "--listen", ":4433", "--print-ready")
	cmd.Stderr = &w.node.stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		w.t.Fatalf("node said nothing: %v\n%s", err, w.node.stderr.String())
	}
	var ready struct {
		NodeID string `json:"node_id"`
	}
	decode(w.t, line, &ready)
	w.node.id, w.node.addr = ready.NodeID, "server:4433"
}

type pong struct {
	Path      string  `json:"path"`
	Addr      string  `json:"addr"`
	Handshake float64 `json:"handshake_ms"`
}

type pingSummary struct {
	Answered   int  `json:"answered"`
	UDPBlocked bool `json:"udp_blocked"`
}

// ping returns the dials, those without an answer too, and the summary.
func (w *world) ping(count int) (dials []pong, summary pingSummary) {
	w.t.Helper()
	cmd := w.command(w.client, program(w.t), "--data", w.guest.dir, "ping", "--json", "-c", fmt.Sprint(count), w.node.target())
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("ping: %v\n%s%s", err, out, &problems)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := len(lines) - 1
	for _, line := range lines[:last] {
		var p pong
		decode(w.t, line, &p)
		dials = append(dials, p)
	}
	decode(w.t, lines[last], &summary)
	return dials, summary
}

// session is a remote cat that ssh keeps open.
type session struct {
	t     testing.TB
	in    io.Writer
	lines chan string // closed when ssh ends
	said  int
}

func (w *world) ssh(via string) *session {
	w.t.Helper()
	proxy := fmt.Sprintf("%s --data %s proxy --via %s %s alknet/ssh", program(w.t), w.guest.dir, via, w.node.target())
	cmd := w.command(w.client, need(w.t, "ssh"), "-F", "none", "-o", "ProxyCommand="+proxy, "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentityFile=none", "-o", "IdentityAgent=none", "box", "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	problems := new(lockedBuffer)
	cmd.Stderr = problems
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	s := &session{t: w.t, in: in, lines: make(chan string, 16)}
	go func() {
		defer close(s.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.lines <- lines.Text()
		}
	}()
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("ssh says: %s", problems)
		}
	})
	s.echo(time.Minute)
	return s
}

// say types a line.
func (s *session) say() string {
	s.t.Helper()
	s.said++
	line := fmt.Sprintf("line %d", s.said)
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		s.t.Fatalf("type %s: %v", line, err)
	}
	return line
}

// hear waits until the line comes back.
func (s *session) hear(line string, limit time.Duration) (took time.Duration) {
	s.t.Helper()
	began := time.Now()
	select {
	case got, ok := <-s.lines:
		if !ok || got != line {
			s.t.Fatalf("got %q (open: %v), want %q", got, ok, line)
		}
	case <-time.After(limit):
		s.t.Fatalf("no echo of %s within %v", line, limit)
	}
	return time.Since(began)
}

func (s *session) echo(limit time.Duration) time.Duration {
	s.t.Helper()
	return s.hear(s.say(), limit)
}

// pass lets time pass in a network of the kernel, which no simulated clock moves.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

func udpBlocked(t testing.TB) string {
	w := newWorld(t, nil)
	shape := farAway
	shape.BlockUDP = true
	w.client.Link().Both(shape)
	dials, summary := w.ping(1)
	if d := dials[0]; d.Path != "tcp" || !summary.UDPBlocked {
		t.Fatalf("got %+v, %+v", d, summary)
	}
	began := time.Now()
	w.ssh("auto")
	return fmt.Sprintf("TCP with TLS instead; `ping` says that UDP has no answer; a first echo over ssh %v after its start", round(time.Since(began)))
}

func ipv6Only(t testing.TB) string {
	w := newWorld(t, nil, netlab.V6Only())
	dials, _ := w.ping(1)
	if d := dials[0]; d.Path != "quic" || !strings.HasPrefix(d.Addr, "["+w.server.Addr6().String()+"]") {
		t.Fatalf("got %+v, server %v", d, w.server.Addr6())
	}
	w.ssh("tcp")
	return "QUIC and TCP, by a name that has an IPv6 address only"
}

func manyLost(t testing.TB) string {
	const count = 10
	w := newWorld(t, nil)
	shape := farAway
	shape.Loss = 0.3
	w.client.Link().Both(shape)
	dials, summary := w.ping(count)
	if summary.Answered != count {
		t.Fatalf("%d of %d dials answered: %+v", summary.Answered, count, dials)
	}
	paths, times := map[string]int{}, []float64{}
	for _, d := range dials {
		paths[d.Path]++
		times = append(times, d.Handshake)
	}
	slices.Sort(times)
	return fmt.Sprintf("%d of %d dials answered, %d by QUIC and %d by TCP; handshake median %.0f ms, slowest %.0f ms",
		summary.Answered, count, paths["quic"], paths["tcp"], times[count/2], times[count-1])
}

func smallPackets(t testing.TB) string {
	w := newWorld(t, nil)
	shape := farAway
	shape.MTU = 1280
	w.client.Link().Both(shape)
	dials, _ := w.ping(1)
	s := w.ssh("quic")
	text := strings.Repeat("x", 60_000)
	began := time.Now()
	for range 10 {
		if _, err := io.WriteString(s.in, text+"\n"); err != nil {
			t.Fatal(err)
		}
		s.hear(text, time.Minute)
	}
	return fmt.Sprintf("%s; 600 kB there and back through one session in %v", strings.ToUpper(dials[0].Path), round(time.Since(began)))
}

func moved(t testing.TB, via string) string {
	w := newWorld(t, nil)
	s := w.ssh(via)
	before := w.client.Addr4()
	if err := w.client.Move(w.internet); err != nil {
		t.Fatal(err)
	}
	if w.client.Addr4() == before {
		t.Fatal("the address did not change")
	}
	first := s.echo(time.Minute)
	return fmt.Sprintf("the session goes on; the first echo takes %v, later ones %v", round(first), round(s.echo(time.Minute)))
}

// roamed leaves a network before the next one is there, in the middle of input.
func roamed(t testing.TB) string {
	w := newWorld(t, func(inet *netlab.Network) *netlab.Network {
		return inet.NAT("home", nat.Config{Kind: nat.PortRestricted})
	})
	mobile := w.internet.NAT("mobile", nat.Config{Kind: nat.Symmetric})
	s := w.ssh("quic")
	lost := farAway
	lost.Loss = 1
	w.client.Link().Both(lost)
	line := s.say()
	pass(t, 2*time.Second)
	began := time.Now()
	if err := w.client.Move(mobile); err != nil {
		t.Fatal(err)
	}
	w.client.Link().Both(farAway)
	s.hear(line, time.Minute)
	took := time.Since(began)
	return fmt.Sprintf("from one NAT to another, 2 s without any: the session goes on, what was typed meanwhile is answered %v after", round(took))
}

// noNetwork takes the route away, so that the system refuses to send.
func noNetwork(t testing.TB) string {
	w := newWorld(t, nil, netlab.V4Only())
	s := w.ssh("quic")
	route := func(arg ...string) {
		if out, err := w.command(w.client, need(t, "ip"), append([]string{"route"}, arg...)...).CombinedOutput(); err != nil {
			t.Fatalf("ip route %v: %v\n%s", arg, err, out)
		}
	}
	route("del", "default")
	line := s.say()
	pass(t, 5*time.Second)
	began := time.Now()
	route("add", "default", "dev", "eth0")
	s.hear(line, time.Minute)
	took := time.Since(began)
	return fmt.Sprintf("the session goes on; what was typed meanwhile is answered %v after the route is back", round(took))
}

func rebound(t testing.TB, kind nat.Kind) string {
	w := newWorld(t, func(inet *netlab.Network) *netlab.Network { return inet.NAT("home", nat.Config{Kind: kind}) })
	s := w.ssh("quic")
	w.client.Network().Gateway().Rebind()
	first := s.echo(time.Minute)
	return fmt.Sprintf("the session goes on over another port; the first echo takes %v, later ones %v", round(first), round(s.echo(time.Minute)))
}

func idleBehindNAT(t testing.TB) string {
	w := newWorld(t, func(inet *netlab.Network) *netlab.Network {
		return inet.NAT("home", nat.Config{Kind: nat.PortRestricted, UDPTimeout: 30 * time.Second})
	})
	s := w.ssh("quic")
	gateway := w.client.Network().Gateway()
	before := gateway.Mappings()
	pass(t, 70*time.Second)
	after := gateway.Mappings()
	if len(before) != 1 || len(after) != 1 || before[0].Outside != after[0].Outside {
		t.Fatalf("mappings were %v, are %v", before, after)
	}
	return fmt.Sprintf("keep-alives hold the mapping; the next echo takes %v", round(s.echo(time.Minute)))
}

func silence(t testing.TB, via string) string {
	w := newWorld(t, nil)
	s := w.ssh(via)
	lost := farAway
	lost.Loss = 1
	w.client.Link().Both(lost)
	pass(t, 90*time.Second)
	w.client.Link().Both(farAway)
	return fmt.Sprintf("the session goes on; the next echo takes %v", round(s.echo(2*time.Minute)))
}
