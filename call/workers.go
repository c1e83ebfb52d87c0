package call

import (
	"slices"
	"sync"
)

// Workers are goroutines of a connection that run one short task after the
// other: their stacks have grown already.
type workers struct {
	mu     sync.Mutex
	idle   []chan task // of capacity 1, the longest idle first
	least  int         // that were idle since the last trim
	closed bool
}

// A task is a call to answer or an outlet to drain.
type task interface{ run() }

// work runs a short task like launch.
func (c *Client) work(t task) bool {
	if c.workers.give(t) {
		return true
	}
	return c.launch(func() { c.worker(t) })
}

func (c *Client) worker(t task) {
	next := make(chan task, 1)
	for t != nil {
		t.run()
		if !c.workers.wait(next) {
			return
		}
		c.watch()
		t = <-next
	}
}

// give hands a task to the worker that was idle the shortest.
func (w *workers) give(t task) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.idle) - 1
	if last < 0 {
		return false
	}
	w.idle[last] <- t
	w.idle[last] = nil
	w.idle = w.idle[:last]
	w.least = min(w.least, last)
	return true
}

// wait makes a worker idle; nil comes from next when it is to end.
func (w *workers) wait(next chan task) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.idle = append(w.idle, next)
	return true
}

func (w *workers) any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.idle) > 0
}

// trim ends the workers that were not needed since the last trim.
func (w *workers) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, next := range w.idle[:w.least] {
		close(next)
	}
	w.idle = slices.Delete(w.idle, 0, w.least)
	w.least = len(w.idle)
}

func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, next := range w.idle {
		close(next)
	}
	w.idle, w.least = nil, 0
}
