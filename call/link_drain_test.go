package call_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
)

// TestDrainKeepsLinksForTheCallsThatUseThem: a call that came in before the
// drain has its time, also where another node answers it.
func TestDrainKeepsLinksForTheCallsThatUseThem(t *testing.T) {
	inBubble(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		begun, release := make(chan struct{}), make(chan struct{})
		slow := public(query("test/slow"))
		slow.Handle = func(context.Context, json.RawMessage) (json.RawMessage, error) {
			close(begun)
			<-release
			return json.RawMessage(`"done"`), nil
		}
		near := register(t)
		near.Peers = new(call.Peers)
		p := newPlace(t, pair, register(t, slow))
		l := &call.Link{Name: "lab", Dial: p.dial, Server: near, Import: &call.Import{
			Prefix: "lab", Expose: []call.Exposure{{Operations: "lab/test/*", Scope: "lab:use"}},
		}}
		stop := run(t, l, p)
		defer stop()
		ready(t, l)
		h := &harness{t: t, pair: pair}
		caller := h.connect(near, []string{"lab:use"})
		answered := make(chan error, 1)
		go func() {
			out, err := caller.Call(context.Background(), "lab/test/slow", nil)
			if string(out) != `"done"` {
				t.Errorf("got %s", out)
			}
			answered <- err
		}()
		<-begun
		drained := make(chan error, 1)
		go func() { drained <- near.Drain(context.Background()) }()
		elapse(10 * time.Second)
		if err := l.Err(); err != nil {
			t.Errorf("the link of a call in flight: %v", err)
		}
		close(release)
		must(t, <-answered)
		must(t, <-drained)
		elapse(10 * time.Minute)
		if n := len(p.waits()); l.Err() == nil || n != 0 {
			t.Errorf("the link of a server that has drained: %v, dialled again %d times", l.Err(), n)
		}
	})
}
