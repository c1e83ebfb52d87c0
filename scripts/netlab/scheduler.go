package netlab

import (
	"sync"
	"time"
)

// maxInFlight bounds the packets that wait in one lab for their time to come.
const maxInFlight = 1 << 16

// arrival is a packet that comes out of a line at a time.
type arrival struct {
	at     time.Duration
	number uint64 // keeps the order of arrivals of one time
	line   *line
	packet *packet
}

func (a *arrival) before(b *arrival) bool {
	return a.at < b.at || a.at == b.at && a.number < b.number
}

// scheduler lets packets out of their lines in time. It has one goroutine.
type scheduler struct {
	start time.Time
	alarm *alarm
	ended chan struct{}

	mu     sync.Mutex
	heap   []arrival // a binary heap
	number uint64
	armed  time.Duration // when the alarm goes off; 0: not set
	closed bool
}

func newScheduler() (*scheduler, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	s := &scheduler{start: time.Now(), alarm: a, ended: make(chan struct{})}
	go s.run()
	return s, nil
}

// now is the time since the lab began.
func (s *scheduler) now() time.Duration { return time.Since(s.start) }

// add schedules an arrival. It reports false where too many packets wait.
func (s *scheduler) add(at time.Duration, l *line, p *packet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.heap) >= maxInFlight {
		return false
	}
	s.number++
	s.heap = append(s.heap, arrival{at: at, number: s.number, line: l, packet: p})
	s.up(len(s.heap) - 1)
	if s.armed == 0 || at < s.armed {
		s.arm()
	}
	return true
}

// arm sets the alarm to the next arrival. The caller holds s.mu.
func (s *scheduler) arm() {
	s.armed = 0
	if len(s.heap) == 0 {
		return
	}
	s.armed = max(s.heap[0].at, 1)
	_ = s.alarm.set(s.armed - s.now())
}

func (s *scheduler) run() {
	defer close(s.ended)
	var batch []arrival
	for s.alarm.wait() == nil {
		for {
			batch = s.due(batch[:0])
			if len(batch) == 0 {
				break
			}
			for i := range batch {
				batch[i].line.arrive(batch[i].packet)
			}
			clear(batch)
		}
	}
}

// due takes the arrivals whose time has come, a batch of them at most, and sets
// the alarm when there are none.
func (s *scheduler) due(batch []arrival) []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for len(s.heap) > 0 && s.heap[0].at <= now && len(batch) < 64 {
		batch = append(batch, s.heap[0])
		s.pop()
	}
	if len(batch) == 0 {
		s.arm()
	} else {
		s.armed = now // add need not set the alarm: due comes again
	}
	return batch
}

func (s *scheduler) up(i int) {
	h := s.heap
	for i > 0 {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			return
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func (s *scheduler) pop() {
	h := s.heap
	last := len(h) - 1
	h[0] = h[last]
	h[last] = arrival{}
	h = h[:last]
	s.heap = h
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return
		}
		if child+1 < last && h[child+1].before(&h[child]) {
			child++
		}
		if !h[child].before(&h[i]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// close ends the goroutine; what waits is forgotten.
func (s *scheduler) close() {
	s.mu.Lock()
	s.closed, s.heap = true, nil
	s.mu.Unlock()
	s.alarm.close()
	<-s.ended
}
