package netlab

import (
	"hash/fnv"
	"sync"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

// Link is what joins a host or a NAT to its network: two directions, each with
// a shape of its own, perfect at first. The links of a path add up: a packet
// from one host to another goes up the link of the first and down that of the
// second. All methods may be called from any goroutine while packets pass.
type Link struct {
	lab      *Lab
	up, down *line
}

// LinkStats counts the packets of a [Link].
type LinkStats struct {
	Up, Down link.Stats
	// Overrun counts packets of a host that its kernel dropped before Up saw
	// them, because the lab did not keep up. It is 0 for the link of a NAT.
	Overrun uint64
}

// Up shapes the direction to the network, from the next packet on. It returns a
// [*link.RangeError] for a shape that makes no sense, and changes nothing; in a
// lab made by [New] this also marks the test as failed.
func (l *Link) Up(s link.Shape) error { return l.lab.fault(l.up.set(s)) }

// Down shapes the direction from the network, as [Link.Up] does the other one.
func (l *Link) Down(s link.Shape) error { return l.lab.fault(l.down.set(s)) }

// Both shapes both directions alike: a Delay of 25 ms each way is a round trip
// of 50 ms.
func (l *Link) Both(s link.Shape) error {
	if err := l.Up(s); err != nil {
		return err
	}
	return l.Down(s)
}

// Stats returns the counters.
func (l *Link) Stats() LinkStats {
	s := LinkStats{Up: l.up.stats(), Down: l.down.stats()}
	if l.up.host != nil {
		s.Overrun = l.up.host.overrun()
	}
	return s
}

// line is one direction of a link: a pipe and what stands at its end.
type line struct {
	lab  *Lab
	host *Host           // whose up line it is; nil for others
	out  func(*packet)   // takes what comes out
	back func(*packet)   // takes the ICMP error about a packet that was too big
	near func() *Network // whose router sends that error, if it has Network.PMTUD

	mu      sync.Mutex
	pipe    *link.Pipe
	waiting int // packets in the scheduler
}

// newLine makes a perfect line with a stream of random numbers of its own.
func (lab *Lab) newLine(name, direction string) *line {
	pipe, err := link.NewPipe(link.Shape{}, lab.seedOf(name, direction))
	if err != nil {
		panic(err) // the zero shape is valid
	}
	return &line{lab: lab, pipe: pipe}
}

// seedOf derives a seed for one part of a thing of the lab.
func (lab *Lab) seedOf(name, part string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name + "\x00" + part))
	return lab.seed ^ h.Sum64()
}

func (l *line) set(s link.Shape) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pipe.Set(s)
}

func (l *line) stats() link.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pipe.Stats()
}

// send puts a packet into the line. One that comes out at once is passed on at
// once, but never before others that still wait.
func (l *line) send(p *packet) {
	now := l.lab.scheduler.now()
	l.mu.Lock()
	fate := l.pipe.Send(now, p.data)
	atOnce := fate.N == 1 && fate.At[0] <= now && (l.waiting == 0 || fate.Overtook)
	if !atOnce {
		l.waiting += fate.N
	}
	mtu := l.pipe.Shape().MTU
	l.mu.Unlock()

	switch {
	case atOnce:
		l.out(p)
	case fate.N == 0:
		if fate.Drop == link.TooBig {
			l.answer(p, mtu)
		}
		l.lab.free(p)
	default:
		var second *packet
		if fate.N == 2 {
			second = l.lab.clone(p)
		}
		l.schedule(fate.At[0], p)
		if second != nil {
			l.schedule(fate.At[1], second)
		}
	}
}

func (l *line) schedule(at time.Duration, p *packet) {
	if l.lab.scheduler.add(at, l, p) {
		return
	}
	l.left()
	l.lab.drop(p, &l.lab.stats.overflow)
}

// arrive takes a packet whose time has come from the scheduler.
func (l *line) arrive(p *packet) {
	l.out(p)
	l.left()
}

func (l *line) left() {
	l.mu.Lock()
	l.waiting--
	l.mu.Unlock()
}

// answer tells the sender of a packet that is too big so, where the network of
// the link does that.
func (l *line) answer(p *packet, mtu int) {
	n := l.near()
	if !n.pmtud {
		return
	}
	q := l.lab.take()
	if !p.tooBig(q, n.router(p.src.Is4()), mtu) {
		l.lab.free(q)
		return
	}
	l.back(q)
}
