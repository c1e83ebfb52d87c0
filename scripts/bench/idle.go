package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
)

const idleConnections = 1000

// idleMemory is the server; the clients are another process.
func idleMemory(alknet bool) (sample, error) {
	addr, stop, err := server(alknet, true)
	if err != nil {
		return sample{}, err
	}
	defer stop()
	self, err := os.Executable()
	if err != nil {
		return sample{}, err
	}
	before, err := residentKiB()
	if err != nil {
		return sample{}, err
	}
	cmd := exec.Command(self, "idle-clients", addr, strconv.FormatBool(alknet))
	cmd.Stderr = os.Stderr
	hold, err := cmd.StdinPipe()
	if err != nil {
		return sample{}, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return sample{}, err
	}
	if err := cmd.Start(); err != nil {
		return sample{}, err
	}
	defer cmd.Wait()
	defer hold.Close()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		return sample{}, fmt.Errorf("clients: %q: %w", line, err)
	}
	after, err := residentKiB()
	if err != nil {
		return sample{}, err
	}
	return sample{Value: (after - before) / idleConnections}, nil
}

// idleClients opens the connections, a stream each, and holds them until its
// input ends.
func idleClients(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: idle-clients ADDR ALKNET")
	}
	dial := dialer(args[1] == "true", true, args[0])
	for range idleConnections {
		c, err := dial()
		if err != nil {
			return err
		}
		s, err := c.open()
		if err != nil {
			return err
		}
		if err := echoOnce(s, []byte("x")); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func residentKiB() (float64, error) {
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("idle-memory needs Linux: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	}
	return 0, errors.New("no VmRSS in /proc/self/status")
}
