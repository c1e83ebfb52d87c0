package node

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/endpoint"
)

// watchQueue is how many events wait for one watcher.
const watchQueue = 1024

const codeLagged = "LAGGED"

// A watchedEvent is an item of node/watch.
type watchedEvent struct {
	Time      time.Time `json:"time"`
	Event     string    `json:"event" jsonschema:"watching (the first one: what happens from now on is told), attempt, opened or closed"`
	Transport string    `json:"transport,omitempty" jsonschema:"quic or tcp"`
	ALPN      string    `json:"alpn,omitempty"`
	Address   string    `json:"address,omitempty" jsonschema:"of the other end"`
	Peer      string    `json:"peer,omitempty" jsonschema:"who the connection is of; absent: nobody"`
	Method    string    `json:"method,omitempty" jsonschema:"of an attempt: how somebody tried to prove who they are"`
	Key       string    `json:"key,omitempty" jsonschema:"of an attempt: the public key, if there was one"`
	Refused   string    `json:"refused,omitempty" jsonschema:"of an attempt: why it failed"`
	Seconds   float64   `json:"seconds,omitzero" jsonschema:"of closed: how long the connection was served"`
}

func watched(e endpoint.Event) watchedEvent {
	w := watchedEvent{
		Time: e.Time.UTC(), Event: string(e.Type), Transport: e.Transport, ALPN: e.ALPN, Address: e.RemoteAddr, Peer: e.Peer,
		Method: e.Attempt.Method, Seconds: e.Duration.Seconds(),
	}
	if key, err := auth.ParseKey(e.Attempt.Credential); err == nil { // and not the id of a token
		w.Key = key.String()
	}
	if e.Attempt.Err != nil {
		w.Refused = e.Attempt.Err.Error()
	}
	return w
}

// watchers passes events on to whoever watches. It never waits for them.
type watchers struct {
	mu  sync.Mutex
	all map[*watcher]struct{}
}

// A watcher has a queue of its own, protected by watchers.mu.
type watcher struct {
	events []endpoint.Event
	lagged bool
	more   chan struct{} // capacity 1
}

func (w *watchers) publish(e endpoint.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		if len(one.events) < watchQueue {
			one.events = append(one.events, e)
		} else {
			delete(w.all, one)
			one.lagged = true
		}
		select {
		case one.more <- struct{}{}:
		default:
		}
	}
}

func (w *watchers) add() *watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := &watcher{more: make(chan struct{}, 1)}
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	w.all[one] = struct{}{}
	return one
}

// next is the oldest event that waits, if there is one; lagged says that there
// will be no more.
func (w *watchers) next(one *watcher) (e endpoint.Event, ok, lagged bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(one.events) == 0 {
		one.events = nil
		return e, false, one.lagged
	}
	e, one.events = one.events[0], one.events[1:]
	return e, true, false
}

func (w *watchers) remove(one *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, one)
}

// watch is node/watch.
func (w *watchers) watch(ctx context.Context, _ struct{}) iter.Seq2[watchedEvent, error] {
	return func(yield func(watchedEvent, error) bool) {
		one := w.add()
		defer w.remove(one)
		if !yield(watchedEvent{Time: time.Now().UTC(), Event: "watching"}, nil) {
			return
		}
		for ctx.Err() == nil {
			e, ok, lagged := w.next(one)
			switch {
			case lagged:
				yield(watchedEvent{}, call.Errorf(codeLagged, "more than %d events waited: what came after them is lost; watch again", watchQueue))
				return
			case ok:
				if !yield(watched(e), nil) {
					return
				}
				continue
			}
			select {
			case <-one.more:
			case <-ctx.Done():
			}
		}
	}
}
