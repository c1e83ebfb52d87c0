package node

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/coretest"
	"github.com/alkdev/alknet/core/endpoint"
)

// Whoever does not keep up is told so after the last event that was kept, and
// nobody else notices.
func TestWatcherLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w watchers
		hold, seen := make(chan struct{}), 0
		var last error
		slow := make(chan struct{})
		go func() {
			defer close(slow)
			for _, err := range w.watch(t.Context(), struct{}{}) {
				if last = err; err == nil {
					seen++
				}
				<-hold
			}
		}()
		quick := 0
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			for range w.watch(ctx, struct{}{}) {
				quick++
			}
		}()
		synctest.Wait()
		for range watchQueue + 100 {
			w.publish(endpoint.Event{Type: endpoint.Opened})
			synctest.Wait()
		}
		close(hold)
		<-slow
		if seen != watchQueue+1 || call.CodeOf(last) != codeLagged {
			t.Errorf("the slow one saw %d and %v", seen, last)
		}
		if quick != watchQueue+101 {
			t.Errorf("the quick one saw %d", quick)
		}
		cancel()
		<-over
		if len(w.all) != 0 {
			t.Errorf("%d are left", len(w.all))
		}
	})
}

// Memory is taken by events, not by who watches.
func TestWatcherThatHasNothingToTellHoldsNothing(t *testing.T) {
	var w watchers
	one := w.add()
	for range 3 {
		w.publish(endpoint.Event{})
	}
	if got := cap(one.events); got > 16 {
		t.Errorf("there is room for %d events", got)
	}
	for range 3 {
		if _, ok, _ := w.next(one); !ok {
			t.Error("an event is missing")
		}
	}
	if _, ok, lagged := w.next(one); ok || lagged || one.events != nil {
		t.Errorf("%v %v, and room for %d events", ok, lagged, cap(one.events))
	}
	w.remove(one)
}

func TestWatcherLeaves(t *testing.T) {
	var w watchers
	for range w.watch(t.Context(), struct{}{}) {
		break
	}
	if len(w.all) != 0 {
		t.Error("it is still there")
	}
	w.publish(endpoint.Event{})
}

// Over a connection the same holds: whoever stops reading gets all that was kept,
// in order, and then the error; whoever leaves is gone.
func TestWatchingOverAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w watchers
		var r call.Registry
		err := call.Subscription(&r, "node/watch", w.watch, call.Public(), call.Fails(call.ErrorSpec{Code: codeLagged}))
		if err != nil {
			t.Fatal(err)
		}
		client, end := connected(t, &call.Server{Registry: &r})
		next := 0
		for e, err := range call.Subscribe[watchedEvent](t.Context(), client, "node/watch", nil) {
			if err != nil {
				if call.CodeOf(err) != codeLagged {
					t.Errorf("got %v", err)
				}
				break
			}
			if e.Event == "watching" {
				floodUntilLagged(&w)
				continue
			}
			if e.Address != strconv.Itoa(next) {
				t.Fatalf("event %d is %s", next, e.Address)
			}
			next++
		}
		if next < watchQueue {
			t.Errorf("%d events were kept", next)
		}

		for range call.Subscribe[watchedEvent](t.Context(), client, "node/watch", nil) {
			break
		}
		synctest.Wait()
		if len(w.all) != 0 {
			t.Error("who has left still watches")
		}
		end()
	})
}

func floodUntilLagged(w *watchers) {
	for i := 0; ; i++ {
		if i%100 == 0 {
			synctest.Wait()
		}
		w.mu.Lock()
		watching := len(w.all)
		w.mu.Unlock()
		if watching == 0 {
			return
		}
		w.publish(endpoint.Event{Type: endpoint.Opened, RemoteAddr: strconv.Itoa(i)})
	}
}

// connected is a client of s in memory; end closes both ends.
func connected(t *testing.T, s *call.Server) (c *call.Client, end func()) {
	t.Helper()
	near, far := coretest.Pair(call.ALPN)
	served := make(chan error)
	go func() {
		served <- s.Handle(t.Context(), far, core.NewAuthContext(core.Identity{}, auth.Key{}, call.ALPN, nil, nil))
	}()
	c = call.NewClient(near)
	return c, func() {
		c.Close()
		<-c.Done()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// The id of a token is nobody's business who watches.
func TestWatchedHasNoToken(t *testing.T) {
	for credential, want := range map[string]string{
		"alk_abcdefgh": "", "": "", "ed25519:zz": "",
		"ed25519:2d6df9c02014892f32fc0a85a823f9aa33ca42fad0b73a104d50a15792ea51f2": "ed25519:2d6df9c02014892f32fc0a85a823f9aa33ca42fad0b73a104d50a15792ea51f2",
	} {
		got := watched(endpoint.Event{Attempt: core.Attempt{Method: "bearer", Credential: credential, Err: errors.New("unknown token")}})
		if got.Key != want || got.Refused != "unknown token" {
			t.Errorf("%q: got %+v", credential, got)
		}
	}
}
