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

// A watcher has a queue that is closed when there was no room for an event.
type watcher struct{ events chan endpoint.Event }

func (w *watchers) publish(e endpoint.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		select {
		case one.events <- e:
		default:
			delete(w.all, one)
			close(one.events)
		}
	}
}

func (w *watchers) add() *watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := &watcher{make(chan endpoint.Event, watchQueue)}
	if w.all == nil {
		w.all = map[*watcher]struct{}{}
	}
	w.all[one] = struct{}{}
	return one
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
		for {
			select {
			case e, more := <-one.events:
				if !more {
					yield(watchedEvent{}, call.Errorf(codeLagged, "more than %d events waited: what came after them is lost; watch again", watchQueue))
					return
				}
				if !yield(watched(e), nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}
