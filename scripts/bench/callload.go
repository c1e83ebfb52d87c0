package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

// rpc is a kind of server that echoes and streams, with its client. The server is
// another process.
type rpc struct {
	name  string // for the helper
	serve func(listen string) (addr string, stop func(), err error)
	dial  func(addr string) (rpcClient, error)
}

// rpcClient is one connection. What it does not offer is nil.
type rpcClient struct {
	echo  func(data string) error                   // returns when the answer is there, of the same length
	items func(n, size int) error                   // takes n items of a subscription
	hold  func() (ready <-chan error, leave func()) // one that sends an item and then nothing
	close func()
}

func rpcNamed(name string) (rpc, error) {
	for _, e := range rpcs {
		if e.name == name {
			return e, nil
		}
	}
	return rpc{}, fmt.Errorf("no server %q", name)
}

// usage is what a process has used, and holds.
type usage struct {
	CPU        time.Duration `json:"cpu"`
	Allocs     uint64        `json:"allocs"`
	Heap       uint64        `json:"heap"`
	Goroutines int           `json:"goroutines"`
	Resident   float64       `json:"resident"` // KiB
}

func used(w harness.Stopwatch) usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, cpu := w.Stop()
	return usage{CPU: cpu, Allocs: m.Mallocs, Heap: m.HeapAlloc, Goroutines: runtime.NumGoroutine()}
}

// settled collects garbage first and measures resident memory.
func settled(w harness.Stopwatch) (usage, error) {
	debug.FreeOSMemory()
	resident, err := residentKiB()
	u := used(w)
	u.Resident = resident
	return u, err
}

const (
	askUsed    = "used"
	askSettled = "settled"
)

// serveRPC prints its address, then answers each line of its input with a usage.
func serveRPC(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: serve-rpc NAME")
	}
	e, err := rpcNamed(args[0])
	if err != nil {
		return err
	}
	addr, stop, err := e.serve(loopback)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Println(addr)
	out, watch := json.NewEncoder(os.Stdout), harness.StartWatch()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		u := used(watch)
		if lines.Text() == askSettled {
			if u, err = settled(watch); err != nil {
				return err
			}
		}
		if err := out.Encode(u); err != nil {
			return err
		}
	}
	return nil
}

// server is the other process.
type server struct {
	addr string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *json.Decoder
}

func (e rpc) start(r *harness.Run) (*server, error) {
	cmd, err := r.Helper("serve-rpc", e.name)
	if err != nil {
		return nil, err
	}
	s := &server{cmd: cmd}
	if s.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	if s.addr, err = lines.ReadString('\n'); err != nil {
		s.stop()
		return nil, fmt.Errorf("server: %w", err)
	}
	s.addr = s.addr[:len(s.addr)-1]
	s.out = json.NewDecoder(lines)
	return s, nil
}

func (s *server) stop() {
	s.in.Close()
	s.cmd.Wait()
}

func (s *server) ask(what string) (u usage, err error) {
	if _, err := io.WriteString(s.in, what+"\n"); err != nil {
		return u, err
	}
	err = s.out.Decode(&u)
	return u, err
}

// connected starts a server and opens a connection to it.
func (e rpc) connected(r *harness.Run) (*server, rpcClient, error) {
	s, err := e.start(r)
	if err != nil {
		return nil, rpcClient{}, err
	}
	c, err := e.dial(s.addr)
	if err != nil {
		s.stop()
		return nil, rpcClient{}, err
	}
	return s, c, nil
}

// between runs work and returns the time it took, and what one of n operations
// cost both processes.
func (s *server) between(n int, work func() error) (wall time.Duration, cost harness.Sample, err error) {
	theirs, err := s.ask(askUsed)
	if err != nil {
		return 0, cost, err
	}
	watch := harness.StartWatch()
	mine := used(watch)
	if err := work(); err != nil {
		return 0, cost, err
	}
	wall, _ = watch.Stop()
	mineAfter := used(watch)
	theirsAfter, err := s.ask(askUsed)
	cpu := mineAfter.CPU - mine.CPU + theirsAfter.CPU - theirs.CPU
	allocs := mineAfter.Allocs - mine.Allocs + theirsAfter.Allocs - theirs.Allocs
	cost = harness.Sample{CPU: cpu.Seconds() / float64(n), Allocs: float64(allocs) / float64(n)}
	return wall, cost, err
}

// callRate is how many calls a second concurrent callers get over one connection.
func callRate(e rpc, callers, size int) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		s, c, err := e.connected(r)
		if err != nil {
			return harness.Sample{}, err
		}
		defer s.stop()
		defer c.close()
		data := text(size)
		if err := concurrently(callers, r.Scale(4000), func() error { return c.echo(data) }); err != nil {
			return harness.Sample{}, err
		}
		n := r.Scale(40_000)
		wall, sample, err := s.between(n, func() error {
			return concurrently(callers, n, func() error { return c.echo(data) })
		})
		sample.Value = float64(n) / wall.Seconds()
		return sample, err
	}
}

// callTime is the median time of a call in microseconds, one after the other.
func callTime(e rpc, size int) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		s, c, err := e.connected(r)
		if err != nil {
			return harness.Sample{}, err
		}
		defer s.stop()
		defer c.close()
		data := text(size)
		call := func() error { return c.echo(data) }
		if err := concurrently(1, r.Scale(500), call); err != nil {
			return harness.Sample{}, err
		}
		n := r.Scale(8000)
		times := make([]float64, 0, n)
		_, sample, err := s.between(n, func() error {
			for range n {
				began := time.Now()
				if err := call(); err != nil {
					return err
				}
				times = append(times, float64(time.Since(began))/float64(time.Microsecond))
			}
			return nil
		})
		sample.Value = harness.Median(times)
		return sample, err
	}
}

// itemRate is how many items a second one subscriber gets.
func itemRate(e rpc, size int) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		s, c, err := e.connected(r)
		if err != nil {
			return harness.Sample{}, err
		}
		defer s.stop()
		defer c.close()
		if err := c.items(r.Scale(10_000), size); err != nil {
			return harness.Sample{}, err
		}
		n := r.Scale(150_000)
		wall, sample, err := s.between(n, func() error { return c.items(n, size) })
		sample.Value = float64(n) / wall.Seconds()
		return sample, err
	}
}

// concurrently does n operations on a number of goroutines, or stops at the first
// error of each.
func concurrently(callers, n int, op func() error) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				errs[i] = op()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// text is of letters, which neither encoding escapes.
func text(size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}
