package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

// idleMemory is the server's; the clients are another process.
func idleMemory(e end) harness.Measure {
	return func(r *harness.Run) (s harness.Sample, err error) {
		addr, stop, err := e.serve(loopback)
		if err != nil {
			return s, err
		}
		defer stop()
		before, err := residentKiB()
		if err != nil {
			return s, err
		}
		n := r.Scale(1000)
		cmd, err := r.Helper("idle-clients", addr, strconv.Itoa(n), e.name)
		if err != nil {
			return s, err
		}
		hold, err := cmd.StdinPipe()
		if err != nil {
			return s, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return s, err
		}
		if err := cmd.Start(); err != nil {
			return s, err
		}
		defer cmd.Wait()
		defer hold.Close()
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			return s, fmt.Errorf("clients: %q: %w", line, err)
		}
		after, err := residentKiB()
		return harness.Sample{Value: (after - before) / float64(n), CPU: -1, Peak: -1}, err
	}
}

// idleClients opens the connections, a stream each, and holds them until its
// input ends.
func idleClients(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: idle-clients ADDR COUNT END")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	e, err := endNamed(args[2])
	if err != nil {
		return err
	}
	dial := e.dialer(args[0])
	for range n {
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
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func residentKiB() (float64, error) {
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, harness.Skip("resident memory is read from /proc, which is Linux's")
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	}
	return 0, errors.New("no VmRSS in /proc/self/status")
}
