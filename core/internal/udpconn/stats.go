package udpconn

import "sync/atomic"

// Stats counts what a wrapped socket received. All methods may be called at any
// time, also on nil, where everything is zero.
type Stats struct {
	reads, datagrams, joined, dropped atomic.Uint64
}

// Reads is the number of system calls that brought datagrams.
func (s *Stats) Reads() uint64 {
	if s == nil {
		return 0
	}
	return s.reads.Load()
}

// Datagrams is the number of datagrams received, joined or not.
func (s *Stats) Datagrams() uint64 {
	if s == nil {
		return 0
	}
	return s.datagrams.Load()
}

// Joined is the number of datagrams that arrived joined to others.
func (s *Stats) Joined() uint64 {
	if s == nil {
		return 0
	}
	return s.joined.Load()
}

// Dropped is the number of receptions thrown away because the kernel had cut
// them or their control messages. It stays zero unless there is a bug.
func (s *Stats) Dropped() uint64 {
	if s == nil {
		return 0
	}
	return s.dropped.Load()
}
