package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

const command = "github.com/alkdev/alknet/alknet"

// start asks what every command pays before it does anything.
func start() harness.Group {
	const goProgram = "an empty Go program"
	empty := harness.Repeat(60, harness.Program("${empty}"))
	return harness.Group{
		Name: "start", Title: "Starting, beside an empty Go program run to its end",
		Rows: []harness.Row{
			{Name: "start-version", What: "'alknet version'", Against: goProgram, Setup: programs,
				Ours: harness.Repeat(60, harness.Program("${alknet}", "version")), Peer: empty, Target: harness.Target{AtMost: 3}},
			{Name: "start-proxy", What: "'alknet proxy' up to its first packet", Against: goProgram, Setup: programs,
				Ours: startProxy, Peer: empty, Target: harness.Target{AtMost: 3}},
			{Name: "start-serve", What: "'alknet serve' until it is ready", Against: "300 ms", Setup: programs,
				Ours: harness.Repeat(10, startServe), Peer: harness.Constant(300), Target: harness.Target{AtMost: 1}},
		},
	}
}

// programs builds alknet, with a data directory, and an empty program.
func programs(s *harness.Setup) error {
	source := filepath.Join(s.Dir(), "empty.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return err
	}
	if err := s.Build("empty", source); err != nil {
		return err
	}
	if err := s.Build("alknet", command); err != nil {
		return err
	}
	s.Set("data", filepath.Join(s.Dir(), "data"))
	return s.Command(s.Value("alknet"), "init", "--data", s.Value("data")).Run()
}

// startProxy measures up to the first datagram, which comes after the vault was
// opened and the ClientHello made.
func startProxy(r *harness.Run) (s harness.Sample, err error) {
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return s, err
	}
	defer udp.Close()
	_, id := identity(1)
	to := fmt.Sprintf("alknet://%s@%s", id, udp.LocalAddr())
	return harness.Repeat(60, func(r *harness.Run) (harness.Sample, error) {
		drain(udp)
		return proxyOnce(r, udp, to)
	})(r)
}

func proxyOnce(r *harness.Run, udp *net.UDPConn, to string) (s harness.Sample, err error) {
	cmd := r.Command(r.Value("alknet"), "proxy", "--data", r.Value("data"), "--via", "quic", to, "alknet/ssh")
	hold, err := cmd.StdinPipe()
	if err != nil {
		return s, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return s, err
	}
	_, _, err = udp.ReadFromUDP(make([]byte, 2048))
	wall := time.Since(began)
	cmd.Process.Kill()
	cmd.Wait()
	hold.Close()
	return harness.Sample{Value: wall.Seconds() * 1e3, CPU: -1, Peak: -1}, err
}

func drain(udp *net.UDPConn) {
	udp.SetReadDeadline(time.Now().Add(time.Millisecond))
	for buf := make([]byte, 2048); ; {
		if _, err := udp.Read(buf); err != nil {
			break
		}
	}
	udp.SetReadDeadline(time.Time{})
}

func startServe(r *harness.Run) (s harness.Sample, err error) {
	cmd := r.Command(r.Value("alknet"), "serve", "--data", r.Value("data"), "--listen", "127.0.0.1:0", "--print-ready")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return s, err
	}
	_, err = bufio.NewReader(out).ReadString('\n')
	wall := time.Since(began)
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if err != nil {
		return s, fmt.Errorf("serve did not get ready: %w", err)
	}
	return harness.Sample{Value: wall.Seconds() * 1e3, CPU: -1, Peak: -1}, nil
}
