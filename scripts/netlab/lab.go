package netlab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// ErrUnsupported is the reason why there can be no lab here: the system is not
// Linux, or the process may not make namespaces or open /dev/net/tun. The error
// that wraps it says which, and what to do.
var ErrUnsupported = errors.New("network lab unsupported")

// ErrClosed is the answer of a lab that is closed.
var ErrClosed = errors.New("network lab closed")

// Config is the setting of a [Lab]. The zero value is usable.
type Config struct {
	// Seed makes a lab repeatable: the same topology, seed and order of packets
	// of a link suffer the same fate. 0 picks one at random.
	Seed uint64
	// MTU is that of the hosts' devices, 1280 to 65535. 0 is 1500.
	MTU int
}

// Lab is a set of networks, hosts and links. Its methods, and those of what
// belongs to it, may be called from any goroutine.
type Lab struct {
	seed      uint64
	mtu       int
	t         testing.TB // nil for a lab made by Open
	scheduler *scheduler
	core      *realm
	packets   sync.Pool
	stats     counters
	readers   sync.WaitGroup

	mu        sync.Mutex // the topology, and what follows
	networks  []*Network
	hosts     []*Host
	processes map[*Cmd]struct{}
	capture   string // the folder; empty: none
	err       error
	closed    bool
}

type counters struct {
	unroutable, spoofed, overflow, translation atomic.Uint64
}

// Stats counts packets that a lab dropped outside of its links.
type Stats struct {
	Unroutable  uint64 // nobody has the destination
	Spoofed     uint64 // the source was not an address of the host (RFC 2827)
	Overflow    uint64 // more than 65536 packets were on their way
	Translation uint64 // a NAT refused them
}

// New makes a lab for a test, logs its seed, and closes it when the test ends.
// It skips the test where [Open] returns [ErrUnsupported]. Faults in building
// the topology end the test.
func New(t testing.TB, c Config) *Lab {
	t.Helper()
	lab, err := Open(c)
	if errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	lab.t = t
	t.Logf("netlab: seed %d", lab.seed)
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// Open makes a lab without a test. The caller closes it. Methods that build the
// topology keep the first error for [Lab.Err], and what they return after one
// does nothing.
func Open(c Config) (*Lab, error) {
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if c.MTU < 1280 || c.MTU > 65535 {
		return nil, fmt.Errorf("open lab: MTU is %d: want 1280 to 65535, or 0 for 1500", c.MTU)
	}
	for c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	if err := probe(); err != nil {
		return nil, err
	}
	s, err := newScheduler()
	if err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	lab := &Lab{seed: c.Seed, mtu: c.MTU, scheduler: s, processes: map[*Cmd]struct{}{}}
	lab.core = newRealm(lab)
	// Room for the largest ICMP error as well.
	size := max(lab.mtu, 1500)
	lab.packets.New = func() any { return &packet{buf: make([]byte, size)} }
	return lab, nil
}

// probe finds out whether there can be a lab.
func probe() error {
	ns, tun, err := newNamespace("probe", 1500)
	if err != nil {
		return explain(err)
	}
	tun.Close()
	ns.close()
	return nil
}

// Seed returns the seed, which is never 0.
func (lab *Lab) Seed() uint64 { return lab.seed }

// Err returns the first error of a method that builds the topology.
func (lab *Lab) Err() error {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	return lab.err
}

// Stats returns the counters.
func (lab *Lab) Stats() Stats {
	return Stats{
		Unroutable:  lab.stats.unroutable.Load(),
		Spoofed:     lab.stats.spoofed.Load(),
		Overflow:    lab.stats.overflow.Load(),
		Translation: lab.stats.translation.Load(),
	}
}

// Close kills the programs that run in the hosts and takes the hosts away.
// Sockets opened by [Host.Do] are their owners' to close; a namespace goes with
// its last socket. A second call does nothing.
func (lab *Lab) Close() error {
	lab.mu.Lock()
	if lab.closed {
		lab.mu.Unlock()
		return nil
	}
	lab.closed = true
	processes, hosts := lab.processes, lab.hosts
	lab.mu.Unlock()

	for cmd := range processes {
		_ = kill(cmd.Cmd)
	}
	for cmd := range processes {
		_ = cmd.Wait()
	}
	for _, h := range hosts {
		h.tun.Close()
	}
	lab.readers.Wait()
	lab.scheduler.close()
	var errs []error
	for _, h := range hosts {
		h.ns.close()
		errs = append(errs, h.tap.Load().close())
	}
	return errors.Join(errs...)
}

// fatal ends the test, or keeps the error where there is none. The caller holds
// lab.mu.
func (lab *Lab) fatal(err error) {
	if err == nil {
		return
	}
	lab.helper()
	if lab.t != nil {
		lab.t.Fatalf("netlab: %v", err)
	}
	if lab.err == nil {
		lab.err = err
	}
}

// fault marks the test as failed and returns the error.
func (lab *Lab) fault(err error) error {
	if err != nil && lab.t != nil {
		lab.t.Helper()
		lab.t.Errorf("netlab: %v", err)
	}
	return err
}

func (lab *Lab) helper() {
	if lab.t != nil {
		lab.t.Helper()
	}
}

func (lab *Lab) take() *packet { return lab.packets.Get().(*packet) }

func (lab *Lab) free(p *packet) { lab.packets.Put(p) }

func (lab *Lab) drop(p *packet, count *atomic.Uint64) {
	count.Add(1)
	lab.free(p)
}

func (lab *Lab) clone(p *packet) *packet {
	q := lab.take()
	q.data = q.buf[:copy(q.buf, p.data)]
	q.src, q.dst, q.in = p.src, p.dst, p.in
	return q
}
