package nat

import (
	"math/bits"
	"time"
)

const (
	firstPort = 1024
	portCount = 65536 - firstPort

	// sweepInterval bounds how often a full table is searched for what has
	// expired.
	sweepInterval = time.Second
)

// flow is what an outbound packet finds its mapping by. The remote end is zero
// unless the NAT is symmetric.
type flow struct {
	protocol       uint8
	inside, remote endpoint
}

// outlet is what an inbound packet finds its mapping by.
type outlet struct {
	protocol uint8
	port     uint16
}

type mapping struct {
	flow  flow
	port  uint16
	used  time.Duration
	brief bool // TCP that was not answered, or that is closing
	// peers holds when each was sent to last, by address or by address and
	// port; nil if the kind does not need to know.
	peers map[endpoint]time.Duration
}

type table struct {
	cfg     *Config
	flows   map[flow]*mapping
	outlets map[outlet]*mapping
	peers   int // of all mappings
	swept   time.Duration

	// Ports are taken in steps that visit all of them before one comes again.
	next, step uint32
}

func newTable(cfg *Config) table {
	t := table{cfg: cfg}
	hi, lo := bits.Mul64(cfg.Seed^0x9e3779b97f4a7c15, 0xd1342543de82ef95)
	mixed := hi ^ lo
	t.next = uint32(mixed % portCount)
	// A step without a factor of portCount, 2^10 × 3^2 × 7, and not a small one.
	for t.step = uint32(mixed>>32)%(portCount/2) | 0x401; t.step%3 == 0 || t.step%7 == 0; t.step += 2 {
	}
	t.clear()
	return t
}

// clear forgets the mappings, not which ports were used last.
func (t *table) clear() {
	t.flows, t.outlets, t.peers = make(map[flow]*mapping), make(map[outlet]*mapping), 0
}

func (t *table) lifetime(m *mapping) time.Duration {
	switch {
	case m.flow.protocol == protocolICMP:
		return icmpTimeout
	case m.flow.protocol == protocolUDP:
		return t.cfg.UDPTimeout
	case m.brief:
		return min(transitoryTimeout, t.cfg.TCPTimeout)
	}
	return t.cfg.TCPTimeout
}

// live returns m unless it is nil or has expired, and then removes it.
func (t *table) live(m *mapping, now time.Duration) *mapping {
	if m != nil && now-m.used >= t.lifetime(m) {
		t.remove(m)
		return nil
	}
	return m
}

func (t *table) remove(m *mapping) {
	delete(t.flows, m.flow)
	delete(t.outlets, outlet{m.flow.protocol, m.port})
	t.peers -= len(m.peers)
}

func (t *table) byFlow(protocol uint8, inside, remote endpoint, now time.Duration) *mapping {
	return t.live(t.flows[t.flow(protocol, inside, remote)], now)
}

func (t *table) byOutlet(protocol uint8, port uint16, now time.Duration) *mapping {
	return t.live(t.outlets[outlet{protocol, port}], now)
}

func (t *table) flow(protocol uint8, inside, remote endpoint) flow {
	if t.cfg.Kind != Symmetric {
		remote = endpoint{}
	}
	return flow{protocol, inside, remote}
}

// open returns the mapping for an outbound packet, a new one if need be, and
// admits the peer that it goes to.
func (t *table) open(protocol uint8, inside, remote endpoint, now time.Duration) (*mapping, error) {
	m := t.byFlow(protocol, inside, remote, now)
	if m == nil {
		if len(t.flows) >= t.cfg.MaxMappings {
			t.sweep(now)
		}
		if len(t.flows) >= t.cfg.MaxMappings {
			return nil, Full
		}
		m = &mapping{flow: t.flow(protocol, inside, remote), port: t.freePort(protocol), brief: true}
		t.flows[m.flow] = m
		t.outlets[outlet{protocol, m.port}] = m
	}
	m.used = now
	return m, t.admit(m, remote, now)
}

// freePort finds one: MaxMappings is not more than there are ports.
func (t *table) freePort(protocol uint8) uint16 {
	for {
		t.next = (t.next + t.step) % portCount
		port := uint16(firstPort + t.next)
		if t.outlets[outlet{protocol, port}] == nil {
			return port
		}
	}
}

// sweep removes what has expired.
func (t *table) sweep(now time.Duration) {
	if t.swept > 0 && now-t.swept < sweepInterval {
		return
	}
	t.swept = max(now, 1)
	for _, m := range t.flows {
		if t.live(m, now) == nil {
			continue
		}
		for peer, sent := range m.peers {
			if now-sent >= t.lifetime(m) {
				delete(m.peers, peer)
				t.peers--
			}
		}
	}
}

func (t *table) maxPeers() int { return peersPerMapping * t.cfg.MaxMappings }

// peer is what the kind knows a remote end by.
func (t *table) peer(remote endpoint) endpoint {
	if t.cfg.Kind == AddressRestricted {
		remote.port = 0
	}
	return remote
}

func (t *table) admit(m *mapping, remote endpoint, now time.Duration) error {
	if t.cfg.Kind == FullCone || t.cfg.Kind == Symmetric {
		return nil
	}
	peer := t.peer(remote)
	if _, known := m.peers[peer]; !known {
		if t.peers >= t.maxPeers() {
			t.sweep(now)
		}
		if t.peers >= t.maxPeers() {
			return Full
		}
		if m.peers == nil {
			m.peers = make(map[endpoint]time.Duration, 1)
		}
		t.peers++
	}
	m.peers[peer] = now
	return nil
}

func (t *table) admitted(m *mapping, remote endpoint, now time.Duration) bool {
	switch t.cfg.Kind {
	case FullCone:
		return true
	case Symmetric:
		return m.flow.remote == remote
	}
	sent, known := m.peers[t.peer(remote)]
	return known && now-sent < t.lifetime(m)
}

// refresh keeps a mapping alive, and an admitted peer admitted.
func (t *table) refresh(m *mapping, remote endpoint, now time.Duration) {
	m.used = now
	if m.peers != nil {
		m.peers[t.peer(remote)] = now
	}
}
