package link

import (
	"math"
	"math/bits"
	"time"
)

// Pipe is one running direction of a link. It is made by [NewPipe]; it is not
// safe for concurrent use.
type Pipe struct {
	shape Shape
	draws draws
	n     uint64 // packets offered: the number of the current one
	now   time.Duration
	last  time.Duration // when the latest copy in order comes out
	bad   bool          // state of Burst
	tx    transmitter
	stats Stats
}

// NewPipe returns a pipe of shape s, or a [*RangeError]. Pipes with equal seeds
// make equal decisions: give each direction of each link its own.
func NewPipe(s Shape, seed uint64) (*Pipe, error) {
	p := &Pipe{draws: newDraws(seed)}
	if err := p.Set(s); err != nil {
		return nil, err
	}
	return p, nil
}

// Set changes the shape from the next packet on, or returns a [*RangeError] and
// changes nothing. Packets that were sent before keep their fates, take up room
// in the queue until they have left it, and are not overtaken.
func (p *Pipe) Set(s Shape) error {
	if err := s.Validate(); err != nil {
		return err
	}
	p.tx.set(p.now, uint64(s.Rate), s.queue())
	if s.Burst.Enter == 0 {
		p.bad = false
	}
	p.shape = s
	return nil
}

// Shape returns the shape that was set last.
func (p *Pipe) Shape() Shape { return p.shape }

// Stats returns the counters.
func (p *Pipe) Stats() Stats { return p.stats }

// Send decides on one IP packet that enters the pipe at now. Of the packet only
// the length and the protocol matter; it is not kept. A now before that of an
// earlier call counts as that earlier one.
func (p *Pipe) Send(now time.Duration, packet []byte) Fate {
	p.n++
	p.now = max(p.now, now)
	p.stats.In.add(len(packet))
	lost := p.loss()

	s := &p.shape
	switch {
	case s.BlockUDP && isUDP(packet):
		return p.stats.drop(UDPBlocked, len(packet))
	case s.MTU > 0 && len(packet) > s.MTU:
		return p.stats.drop(TooBig, len(packet))
	}
	sent, ok := p.tx.send(p.now, len(packet))
	switch {
	case !ok:
		return p.stats.drop(QueueFull, len(packet))
	case lost != Delivered:
		return p.stats.drop(lost, len(packet))
	}

	f := Fate{N: 1}
	if f.Overtook = p.draws.hit(drawReorder, p.n, s.Reorder); f.Overtook {
		f.At[0] = sent
	} else {
		f.At[0] = p.inOrder(sent, drawJitter)
	}
	if p.draws.hit(drawDuplicate, p.n, s.Duplicate) {
		f.N, f.At[1] = 2, p.inOrder(sent, drawCopyJitter)
	}
	return p.stats.deliver(f, len(packet))
}

// loss decides for every packet, whatever else becomes of it, so that the n-th
// decision does not depend on the packets before.
func (p *Pipe) loss() Cause {
	b := &p.shape.Burst
	if p.bad {
		p.bad = !p.draws.hit(drawBurst, p.n, b.Leave)
	} else {
		p.bad = p.draws.hit(drawBurst, p.n, b.Enter)
	}
	switch {
	case p.bad && p.draws.hit(drawBurstLoss, p.n, b.lossInBurst()):
		return LostInBurst
	case p.draws.hit(drawLoss, p.n, p.shape.Loss):
		return Lost
	}
	return Delivered
}

// inOrder is when a copy comes out that left the transmitter at sent.
func (p *Pipe) inOrder(sent time.Duration, jitter source) time.Duration {
	at := sent + p.shape.Delay
	if p.shape.Jitter > 0 {
		at += time.Duration(p.draws.within(jitter, p.n, int64(p.shape.Jitter)))
	}
	p.last = max(p.last, at)
	return p.last
}

// transmitter sends at a fixed rate what waits in a queue that drops at its
// tail. It keeps no packets: since they leave in order, the moment at which the
// last one has left says how many bytes wait.
type transmitter struct {
	rate  uint64 // bits per second; 0: unlimited
	queue int64
	busy  time.Duration // when the last accepted packet has left
	rest  uint64        // of the division that gave busy, in 1/rate ns

	// What waited when the rate was last set leaves between since and until at
	// the pace of the old rate.
	held         int64
	since, until time.Duration
}

func (t *transmitter) set(now time.Duration, rate uint64, queue int64) {
	if rate != t.rate {
		t.held, t.since, t.until = t.waiting(now), now, t.busy
		t.rate, t.rest = rate, 0
	}
	t.queue = queue
}

// waiting is the number of bytes that have not left at now.
func (t *transmitter) waiting(now time.Duration) int64 {
	if t.busy <= now {
		return 0
	}
	var held int64
	if now < t.until {
		held = mulDiv(t.held, t.until-now, t.until-t.since)
	}
	return held + mulDiv(int64(t.rate), t.busy-max(now, t.until), 8*time.Second)
}

// send returns when the last bit of a packet leaves, false if it found no room.
func (t *transmitter) send(now time.Duration, bytes int) (time.Duration, bool) {
	if t.rate == 0 {
		return now, true
	}
	waiting := t.waiting(now)
	if waiting > 0 && waiting+int64(bytes) > t.queue {
		return 0, false
	}
	if t.busy <= now {
		t.busy, t.rest = now, 0
	}
	hi, lo := bits.Mul64(uint64(bytes), 8*uint64(time.Second))
	lo, carry := bits.Add64(lo, t.rest, 0)
	took, rest := bits.Div64(hi+carry, lo, t.rate)
	t.busy, t.rest = t.busy+time.Duration(took), rest
	return t.busy, true
}

// mulDiv is a*b/c without overflow in between, for arguments that are not
// negative.
func mulDiv(a int64, b, c time.Duration) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return math.MaxInt64 / 2
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, math.MaxInt64/2))
}
