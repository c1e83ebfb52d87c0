package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alkdev/alknet/scripts/bench/harness"
	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
)

// path is between the two hosts of a lab. Half of the round trip and all of the
// loss are in each direction.
type path struct {
	roundTrip time.Duration
	loss      float64
}

func (p path) String() string {
	return fmt.Sprintf("round trip %v (%v each way), %g %% loss each way", p.roundTrip, p.roundTrip/2, 100*p.loss)
}

// lab asks what a user notices far away from the node. Each sample makes a lab of
// its own; the two of a pair have the same seed, so that the n-th packet of a
// direction is lost on both sides or on neither.
func lab() harness.Group {
	p := path{50 * time.Millisecond, 0.01}
	const bytes = 4 << 20
	return harness.Group{Name: "lab", Title: "50 ms and 1 % loss, beside plain TCP of the kernel",
		Modules: []string{"github.com/quic-go/quic-go"},
		Rows: []harness.Row{
			{Name: "ping", What: "'alknet ping': handshake with both ends proved, beside connecting and a byte there and back; " + p.String(),
				Against: "TCP", Setup: buildCommand, Ours: p.ping, Peer: p.firstByte(tcpCubic, 10, harness.Median), Target: harness.Target{AtMost: 0.6}},
			{Name: "first-byte", What: "connect, a byte there and back: median",
				Against: "TCP", Ours: p.firstByte(racing, 40, harness.Median), Peer: p.firstByte(tcpCubic, 40, harness.Median), Target: harness.Target{AtMost: 1.1}},
			{Name: "first-byte-mean", What: "the same: mean, in which the losses show",
				Against: "TCP", Ours: p.firstByte(racing, 40, mean), Peer: p.firstByte(tcpCubic, 40, mean)},
			{Name: "bulk-tls", What: "one transfer from the server by what alknet takes for bulk, TLS over TCP, beside plain TCP, both with the system's congestion control",
				Against: "TCP", Unit: "MB/s", Timeout: 5 * time.Minute, Ours: p.bulk(nodeTCP, bytes), Peer: p.bulk(tcp, bytes), Target: harness.Target{AtLeast: 0.9}},
			{Name: "bulk-quic", What: "one QUIC stream from the server, beside TCP with CUBIC",
				Against: "TCP, CUBIC", Unit: "MB/s", Timeout: 5 * time.Minute, Ours: p.bulk(node, bytes), Peer: p.bulk(tcpCubic, bytes), Target: harness.Target{AtLeast: 0.9}},
			{Name: "bulk-quic-bbr", What: "one QUIC stream from the server, beside TCP with BBR",
				Against: "TCP, BBR", Unit: "MB/s", Timeout: 5 * time.Minute, Setup: needsBBR, Ours: p.bulk(node, bytes), Peer: p.bulk(tcpBBR, bytes)},
		},
	}
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// site is a lab with a server and a client, for one sample.
type site struct {
	*netlab.Lab
	run            *harness.Run
	server, client *netlab.Host
}

func (p path) open(r *harness.Run) (*site, error) {
	l, err := netlab.Open(netlab.Config{Seed: max(1, r.Seed())})
	if errors.Is(err, netlab.ErrUnsupported) {
		return nil, harness.Skip("%v", err)
	}
	if err != nil {
		return nil, err
	}
	network := l.Network("internet", netlab.V4Only())
	s := &site{l, r, network.Host("server"), network.Host("client")}
	s.client.Link().Both(link.Shape{Delay: p.roundTrip / 2, Loss: p.loss})
	return s, l.Err()
}

// listen is where a server of the site belongs.
func (s *site) listen() string { return s.server.Addr4().String() + ":0" }

// helper prepares one of this program's helpers on a host.
func (s *site) helper(h *netlab.Host, name string, args ...string) (*netlab.Cmd, error) {
	cmd, err := s.run.Helper(name, args...)
	if err != nil {
		return nil, err
	}
	return h.Command(s.run.Context(), cmd.Path, cmd.Args[1:]...), nil
}

// serve starts a server, which lives as long as the lab, and returns the first
// line that it prints.
func serve(cmd *netlab.Cmd) (string, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("server did not get ready: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// client runs a helper against a server of the same end and reads what it prints.
func (p path) measure(r *harness.Run, e end, helper, amount string, answer any) error {
	s, err := p.open(r)
	if err != nil {
		return err
	}
	defer s.Close()
	server, err := s.helper(s.server, "serve", e.name, s.listen())
	if err != nil {
		return err
	}
	addr, err := serve(server)
	if err != nil {
		return err
	}
	client, err := s.helper(s.client, helper, e.name, addr, amount)
	if err != nil {
		return err
	}
	out, err := client.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", helper, complaint(err))
	}
	return json.Unmarshal(out, answer)
}

func (p path) firstByte(e end, n int, middle func([]float64) float64) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		var times []float64
		err := p.measure(r, e, "dial", strconv.Itoa(r.Scale(n)), &times)
		return harness.Sample{Value: middle(times), CPU: -1, Peak: -1}, err
	}
}

func (p path) bulk(e end, bytes int) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		n := r.Scale(bytes)
		var seconds float64
		err := p.measure(r, e, "bulk", strconv.Itoa(n), &seconds)
		return harness.Sample{Value: float64(n) / 1e6 / seconds, CPU: -1, Peak: -1}, err
	}
}

func buildCommand(s *harness.Setup) error { return s.Build("alknet", command) }

func needsBBR(*harness.Setup) error {
	known, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err != nil || !slices.Contains(strings.Fields(string(known)), "bbr") {
		return harness.Skip("the kernel offers no BBR")
	}
	return nil
}

// ping is of the real programs. It reports the median of the handshakes that were
// answered; one that was not is an error of the sample only if most were not.
func (p path) ping(r *harness.Run) (sample harness.Sample, err error) {
	s, err := p.open(r)
	if err != nil {
		return sample, err
	}
	defer s.Close()
	data, alknet := r.Dir()+"/data", r.Value("alknet")
	if err := r.Command(alknet, "init", "--data", data).Run(); err != nil {
		return sample, err
	}
	line, err := serve(s.server.Command(r.Context(), alknet, "serve", "--data", data, "--listen", s.listen(), "--print-ready"))
	if err != nil {
		return sample, err
	}
	var ready struct {
		ID     string   `json:"node_id"`
		Listen []string `json:"listen"`
	}
	if err := json.Unmarshal([]byte(line), &ready); err != nil || len(ready.Listen) == 0 {
		return sample, fmt.Errorf("serve says %q: %w", line, err)
	}
	count := r.Scale(10)
	out, err := s.client.Command(r.Context(), alknet, "ping", "--data", data, "--json", "-c", strconv.Itoa(count),
		fmt.Sprintf("alknet://%s@%s", ready.ID, ready.Listen[0])).Output()
	if err != nil {
		return sample, fmt.Errorf("ping: %w", complaint(err))
	}
	times, err := handshakes(out)
	if err == nil && 2*len(times) < count {
		err = fmt.Errorf("%d of %d pings were answered", len(times), count)
	}
	return harness.Sample{Value: harness.Median(times), CPU: -1, Peak: -1}, err
}

// handshakes reads the lines of `alknet ping --json`, of which the last is the
// summary.
func handshakes(out []byte) (times []float64, err error) {
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var line struct {
			Seq       int             `json:"seq"`
			Handshake json.RawMessage `json:"handshake_ms"`
		}
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			return times, nil
		} else if err != nil {
			return nil, err
		}
		if line.Seq == 0 || line.Handshake == nil {
			continue
		}
		var ms float64
		if err := json.Unmarshal(line.Handshake, &ms); err != nil {
			return nil, err
		}
		times = append(times, ms)
	}
}
