package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

const pingInterval = time.Second

// The standard protocols, and what each runs on where that is not either. Those
// of the web face show another key than the node's.
var (
	nodeProtocols = []string{"alknet/call", "alknet/ssh", "alknet/sftp", "alknet/git", "alknet/fs", "alknet/msg"}
	webProtocols  = []string{"h3", "h2", "http/1.1", "doq", "dot"}
)

func (e *env) pingCommand() *cobra.Command {
	var (
		f     dialFlags
		count int
	)
	cmd := &cobra.Command{
		Use:   "ping NODE",
		Short: "Dial a node and show path, times and protocols",
		Long: `Dial a node, each time anew, and show the path (quic or tcp), the round trip and
handshake times, the key exchange, and why the node was believed to be itself.
Then tell which of the standard protocols it serves. With --json each dial is a
line, and the summary is the last one.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if count < 1 {
				return usagef("-c %d: at least one dial is needed", count)
			}
			c, err := e.client(cmd.Context(), a[0], f)
			if err != nil {
				return err
			}
			defer c.close()
			p := pinger{client: c, count: count}
			return p.run(cmd.Context())
		},
	}
	f.add(cmd)
	cmd.Flags().IntVarP(&count, "count", "c", 3, "how many `times` to dial, a second apart")
	return e.jsonFlag(cmd)
}

// pong is one dial.
type pong struct {
	Seq       int     `json:"seq"`
	Path      string  `json:"path,omitempty"`
	Addr      string  `json:"addr,omitempty"`
	RTT       float64 `json:"rtt_ms,omitempty"`
	Handshake float64 `json:"handshake_ms,omitempty"`
	KEX       string  `json:"kex,omitempty"`
	TLS       string  `json:"tls,omitempty"`
	Trust     string  `json:"trust,omitempty"`
	NodeID    string  `json:"node_id,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// spread is of milliseconds.
type spread struct {
	Min float64 `json:"min"`
	Avg float64 `json:"avg"`
	Max float64 `json:"max"`
}

type pingSummary struct {
	Sent       int      `json:"sent"`
	Answered   int      `json:"answered"`
	RTT        spread   `json:"rtt_ms"`
	Handshake  spread   `json:"handshake_ms"`
	ALPNs      []string `json:"alpns"`
	UDPBlocked bool     `json:"udp_blocked,omitempty"`
	TCPBlocked bool     `json:"tcp_blocked,omitempty"`
}

type pinger struct {
	client *client
	count  int
	alpn   string // one that the node serves; "" until an answer came
	last   dial.Info
	pongs  []pong // answered
}

func (p *pinger) run(ctx context.Context) error {
	var failed error
	for seq := 1; seq <= p.count && ctx.Err() == nil; seq++ {
		if seq > 1 {
			select {
			case <-time.After(pingInterval):
			case <-ctx.Done():
				continue
			}
		}
		info, err := p.dial(ctx)
		if err != nil && (!errors.Is(err, dial.ErrUnreachable) || p.count == 1 || noSuchName(err)) {
			return err
		}
		one := pong{Seq: seq}
		if err != nil {
			failed, one.Error = err, oneLine(err)
		} else {
			one = newPong(seq, info)
			p.pongs, p.last = append(p.pongs, one), info
		}
		if err := p.show(one); err != nil {
			return err
		}
	}
	switch {
	case len(p.pongs) > 0:
		return p.summary(ctx)
	case failed != nil:
		return fmt.Errorf("no answer to %d dials: the last: %w", p.count, failed)
	}
	return context.Cause(ctx)
}

// noSuchName reports a fault that dialling again does not mend.
func noSuchName(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

func newPong(seq int, info dial.Info) pong {
	one := pong{
		Seq: seq, Path: info.Transport.String(), Addr: info.Addr.String(),
		RTT: milliseconds(info.RTT), Handshake: milliseconds(info.Handshake),
		KEX: info.KEX.String(), TLS: strings.TrimPrefix(tls.VersionName(info.TLS), "TLS "), Trust: info.Trust.String(),
	}
	if id, ok := info.NodeID(); ok {
		one.NodeID = id.String()
	}
	return one
}

func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

// dial finds a protocol that the node serves, the first time.
func (p *pinger) dial(ctx context.Context) (dial.Info, error) {
	try := nodeProtocols
	if p.alpn != "" {
		try = []string{p.alpn}
	}
	var err error
	for _, alpn := range try {
		var conn core.Connection
		var info dial.Info
		if conn, info, err = p.client.dial(ctx, alpn, dial.Interactive); err == nil {
			conn.Close(core.CodeNone, "")
			p.alpn = alpn
			return info, nil
		}
		var absent *dial.NoProtocolError
		if !errors.As(err, &absent) {
			return info, err
		}
	}
	if p.alpn == "" {
		err = fmt.Errorf("%s serves none of %s: it is not an alknet node", p.client.arg, strings.Join(nodeProtocols, ", "))
	}
	return dial.Info{}, err
}

func (p *pinger) show(one pong) error {
	e := p.client.env
	if e.json {
		return json.NewEncoder(e.stdout).Encode(one)
	}
	var err error
	if one.Error != "" {
		_, err = fmt.Fprintf(e.stdout, "%d  %s\n", one.Seq, one.Error)
	} else {
		_, err = fmt.Fprintf(e.stdout, "%d  %-4s %s  rtt %.2f ms  handshake %.2f ms  %s  TLS %s  trust: %s\n",
			one.Seq, one.Path, one.Addr, one.RTT, one.Handshake, one.KEX, one.TLS, trustText(one.Trust))
	}
	return err
}

func trustText(t string) string {
	switch t {
	case dial.TrustPin.String():
		return "it has the key of the node id"
	case dial.TrustCA.String():
		return "an authority vouches for the name"
	case dial.TrustKnown.String():
		return "the key is known"
	case dial.TrustNew.String():
		return "first contact, the key was kept"
	}
	return t
}

func (p *pinger) summary(ctx context.Context) error {
	s := pingSummary{
		Sent: p.count, Answered: len(p.pongs), ALPNs: p.probe(ctx),
		UDPBlocked: p.last.UDPBlocked, TCPBlocked: p.last.TCPBlocked,
		RTT:       spreadOf(p.pongs, func(o pong) float64 { return o.RTT }),
		Handshake: spreadOf(p.pongs, func(o pong) float64 { return o.Handshake }),
	}
	e := p.client.env
	if e.json {
		return json.NewEncoder(e.stdout).Encode(s)
	}
	w := e.stdout
	fmt.Fprintf(w, "\nanswered   %d of %d\nrtt        min %.2f  avg %.2f  max %.2f ms\nhandshake  min %.2f  avg %.2f  max %.2f ms\nserves     %s\n",
		s.Answered, s.Sent, s.RTT.Min, s.RTT.Avg, s.RTT.Max, s.Handshake.Min, s.Handshake.Avg, s.Handshake.Max, strings.Join(s.ALPNs, ", "))
	printBlocked(w, s)
	return nil
}

func printBlocked(w io.Writer, s pingSummary) {
	if s.UDPBlocked {
		fmt.Fprintln(w, "UDP        no answer: open the port for UDP for a faster path")
	}
	if s.TCPBlocked {
		fmt.Fprintln(w, "TCP        no answer: open the port for TCP for bulk transfers")
	}
}

func spreadOf(pongs []pong, value func(pong) float64) spread {
	s := spread{Min: math.Inf(1), Max: math.Inf(-1)}
	for _, o := range pongs {
		v := value(o)
		s.Min, s.Max, s.Avg = min(s.Min, v), max(s.Max, v), s.Avg+v
	}
	s.Avg = math.Round(s.Avg/float64(len(pongs))*1000) / 1000
	return s
}

// probe asks for each standard protocol with one dial, all but at once.
func (p *pinger) probe(ctx context.Context) []string {
	all := append(append([]string{}, nodeProtocols...), webProtocols...)
	served := make([]bool, len(all))
	var running sync.WaitGroup
	slots := make(chan struct{}, 4) // the node counts strangers by address
	for i, alpn := range all {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			served[i] = alpn == p.alpn || p.serves(ctx, alpn)
		})
	}
	running.Wait()
	out := []string{}
	for i, alpn := range all {
		if served[i] {
			out = append(out, alpn)
		}
	}
	return out
}

// serves dials as a stranger who knows nothing: a server that is not trusted
// has still agreed to the protocol.
func (p *pinger) serves(ctx context.Context, alpn string) bool {
	via, ok := p.way(alpn)
	if !ok {
		return false
	}
	stranger := dial.Dialer{Proxy: p.client.dialer.Proxy}
	target := p.client.target
	if id, ok := p.last.NodeID(); ok && strings.HasPrefix(alpn, "alknet/") {
		target.ID = id
	}
	conn, _, err := stranger.Dial(ctx, dial.Request{Target: target, ALPN: alpn, Via: via})
	if err == nil {
		conn.Close(core.CodeNone, "")
	}
	return err == nil || errors.Is(err, dial.ErrNotTrusted)
}

// way is how to ask for a protocol, if there is one. A transport that had no
// answer, or that the person has excluded, is not waited for.
func (p *pinger) way(alpn string) (dial.Via, bool) {
	via := p.client.via
	switch {
	case via == dial.Auto && p.last.UDPBlocked:
		via = dial.OnlyTCP
	case via == dial.Auto && p.last.TCPBlocked:
		via = dial.OnlyQUIC
	}
	only := dial.Auto
	switch alpn {
	case "h3", "doq":
		only = dial.OnlyQUIC
	case "h2", "http/1.1", "dot":
		only = dial.OnlyTCP
	}
	if via == dial.Auto {
		via = only
	}
	return via, only == dial.Auto || only == via
}
