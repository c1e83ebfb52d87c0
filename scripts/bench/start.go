package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// binaries holds what prepare built; samples find it by the environment of
// their parent.
const binariesVariable = "ALKNET_BENCH_BINARIES"

func prepare() error {
	dir, err := os.MkdirTemp("", "alknet-bench-")
	if err != nil {
		return err
	}
	os.Setenv(binariesVariable, dir)
	if err := os.WriteFile(filepath.Join(dir, "empty.go"), []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"-o", built("alknet"), "github.com/alkdev/alknet/alknet"},
		{"-o", built("empty"), filepath.Join(dir, "empty.go")},
	} {
		cmd := exec.Command("go", append([]string{"build", "-trimpath", "-ldflags=-s -w"}, args...)...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build %s: %w", args[1], err)
		}
	}
	return exec.Command(built("alknet"), "init", "--data", built("data")).Run()
}

func cleanUp() { os.RemoveAll(os.Getenv(binariesVariable)) }

func built(name string) string { return filepath.Join(os.Getenv(binariesVariable), name) }

const starts = 60

// startMany runs a command again and again; the value is the median of the
// times to its end.
func startMany(name string, args ...string) (sample, error) {
	var times []float64
	before := childrenCPU()
	for range starts {
		began := time.Now()
		if err := exec.Command(name, args...).Run(); err != nil {
			return sample{}, err
		}
		times = append(times, time.Since(began).Seconds()*1e3)
	}
	cpu := childrenCPU() - before
	return sample{Value: median(times), CPU: cpu.Seconds() / starts}, nil
}

func startVersion(alknet bool) (sample, error) {
	if !alknet {
		return startMany(built("empty"))
	}
	return startMany(built("alknet"), "version")
}

// startProxy measures up to the first datagram, which comes after the vault
// was opened and the ClientHello made.
func startProxy(alknet bool) (sample, error) {
	if !alknet {
		return startMany(built("empty"))
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return sample{}, err
	}
	defer udp.Close()
	_, id := identity(1)
	node := fmt.Sprintf("alknet://%s@%s", id, udp.LocalAddr())
	var times []float64
	buf := make([]byte, 2048)
	for range starts {
		cmd := exec.Command(built("alknet"), "proxy", "--data", built("data"), "--via", "quic", node, "alknet/ssh")
		hold, err := cmd.StdinPipe()
		if err != nil {
			return sample{}, err
		}
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return sample{}, err
		}
		_, _, err = udp.ReadFromUDP(buf)
		times = append(times, time.Since(began).Seconds()*1e3)
		cmd.Process.Kill()
		cmd.Wait()
		hold.Close()
		if err != nil {
			return sample{}, err
		}
		drain(udp, buf)
	}
	return sample{Value: median(times)}, nil
}

func drain(udp *net.UDPConn, buf []byte) {
	udp.SetReadDeadline(time.Now().Add(time.Millisecond))
	for {
		if _, err := udp.Read(buf); err != nil {
			break
		}
	}
	udp.SetReadDeadline(time.Time{})
}

// startServe has no peer but the limit.
func startServe(alknet bool) (sample, error) {
	if !alknet {
		return sample{Value: 300}, nil
	}
	var times []float64
	for range 10 {
		cmd := exec.Command(built("alknet"), "serve", "--data", built("data"), "--listen", "127.0.0.1:0", "--print-ready")
		out, err := cmd.StdoutPipe()
		if err != nil {
			return sample{}, err
		}
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return sample{}, err
		}
		_, err = bufio.NewReader(out).ReadString('\n')
		times = append(times, time.Since(began).Seconds()*1e3)
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		if err != nil {
			return sample{}, fmt.Errorf("serve did not get ready: %w", err)
		}
	}
	return sample{Value: median(times)}, nil
}
