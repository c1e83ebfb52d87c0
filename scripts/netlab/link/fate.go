package link

import "time"

// Cause says why a packet did not come out.
type Cause uint8

// The causes. The zero value is no cause: the packet came out.
const (
	Delivered   Cause = iota
	Lost              // Shape.Loss
	LostInBurst       // Shape.Burst
	QueueFull         // Shape.Queue
	TooBig            // Shape.MTU
	UDPBlocked        // Shape.BlockUDP
)

func (c Cause) String() string {
	switch c {
	case Delivered:
		return "delivered"
	case Lost:
		return "loss"
	case LostInBurst:
		return "burst"
	case QueueFull:
		return "queue"
	case TooBig:
		return "mtu"
	case UDPBlocked:
		return "udp"
	}
	return "unknown cause"
}

// Fate is what becomes of one packet.
type Fate struct {
	// Drop is [Delivered], or why nothing comes out.
	Drop Cause
	// N is the number of copies that come out: 0, 1 or 2.
	N int
	// At holds in its first N elements when they come out, in order, none
	// before the moment of Send.
	At [2]time.Duration
	// Overtook says that the first copy skipped the delay by [Shape.Reorder].
	// Every other copy comes out no sooner than the one before it.
	Overtook bool
}

// Count is a number of packets and the sum of their bytes.
type Count struct {
	Packets, Bytes uint64
}

func (c *Count) add(bytes int) {
	c.Packets++
	c.Bytes += uint64(bytes)
}

// Stats counts what a [Pipe] has done since it was made. What went in is what
// came out, less Duplicated, and what the five causes took.
type Stats struct {
	In, Out Count

	Loss, Burst, Queue, MTU, UDP Count // by cause

	Duplicated Count // second copies, part of Out
	Overtook   Count // packets that skipped the delay, part of Out
}

// Dropped is the sum over all causes.
func (s Stats) Dropped() Count {
	var sum Count
	for _, c := range []Count{s.Loss, s.Burst, s.Queue, s.MTU, s.UDP} {
		sum.Packets += c.Packets
		sum.Bytes += c.Bytes
	}
	return sum
}

func (s *Stats) drop(c Cause, bytes int) Fate {
	switch c {
	case Lost:
		s.Loss.add(bytes)
	case LostInBurst:
		s.Burst.add(bytes)
	case QueueFull:
		s.Queue.add(bytes)
	case TooBig:
		s.MTU.add(bytes)
	case UDPBlocked:
		s.UDP.add(bytes)
	}
	return Fate{Drop: c}
}

func (s *Stats) deliver(f Fate, bytes int) Fate {
	s.Out.add(bytes)
	if f.Overtook {
		s.Overtook.add(bytes)
	}
	if f.N == 2 {
		s.Out.add(bytes)
		s.Duplicated.add(bytes)
	}
	return f
}
