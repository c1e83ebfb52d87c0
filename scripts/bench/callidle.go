package main

import (
	"fmt"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

// idleItems is what a subscription that has sent an item and is silent then costs the
// server in resident memory, without its connection. It fails if something is left
// when all have ended.
func idleItems(e rpc) harness.Measure {
	return func(r *harness.Run) (sample harness.Sample, err error) {
		s, err := e.start(r)
		if err != nil {
			return sample, err
		}
		defer s.stop()
		var conns []rpcClient
		defer func() {
			for _, c := range conns {
				c.close()
			}
		}()
		for range r.Scale(idleConns) {
			c, err := e.dial(s.addr)
			if err != nil {
				return sample, err
			}
			conns = append(conns, c)
			ready, leave := c.hold() // what a connection has once
			if err := <-ready; err != nil {
				return sample, err
			}
			leave()
		}
		before, err := s.ask(askSettled)
		if err != nil {
			return sample, err
		}
		leave, err := holdAll(conns)
		defer leave()
		if err != nil {
			return sample, err
		}
		during, err := s.ask(askSettled)
		if err != nil {
			return sample, err
		}
		leave()
		n := float64(len(conns) * idleOfEach)
		sample = harness.Sample{Value: (during.Resident - before.Resident) / n, CPU: -1, Peak: -1}
		return sample, s.emptied(r, len(conns), before, during)
	}
}

func holdAll(conns []rpcClient) (leave func(), err error) {
	var leaves []func()
	leave = func() {
		for _, l := range leaves {
			l()
		}
		leaves = nil
	}
	for _, c := range conns {
		for range idleOfEach {
			ready, l := c.hold()
			leaves = append(leaves, l)
			if err := <-ready; err != nil {
				return leave, err
			}
		}
	}
	return leave, nil
}

// emptied waits until the server has as many goroutines as before, and at most a
// quarter of the memory that it held and a read buffer for each connection: maps and
// pools do not shrink at once.
func (s *server) emptied(r *harness.Run, conns int, before, during usage) error {
	for {
		now, err := s.ask(askSettled)
		if err != nil {
			return err
		}
		heap := float64(now.Heap) - float64(before.Heap)
		if now.Goroutines <= before.Goroutines && heap <= float64(during.Heap-before.Heap)/4+float64(conns*32<<10) {
			return nil
		}
		if r.Context().Err() != nil {
			return fmt.Errorf("of %d goroutines %d are left, of %d bytes of heap %.0f", during.Goroutines-before.Goroutines,
				now.Goroutines-before.Goroutines, during.Heap-before.Heap, heap)
		}
	}
}
