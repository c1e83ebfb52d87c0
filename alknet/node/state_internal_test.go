package node

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

// TestStoppingIsTheLastState: a reload may end after the node began to stop.
func TestStoppingIsTheLastState(t *testing.T) {
	var got []State
	n := &Node{cfg: Config{Notify: func(s State) { got = append(got, s) }}}
	for _, s := range []State{Ready, Reloading, Stopping, Ready, Reloading, Stopping} {
		n.notify(s)
	}
	if want := []State{Ready, Reloading, Stopping}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// TestAliveWaitsForTheLoop that is not there.
func TestAliveWaitsForTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Node{pulse: make(chan func()), stop: newSignal()}
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- n.Alive(ctx) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("alive without a loop: %v", err)
		default:
		}
		look := <-n.pulse // and never calls it, as if it waited for a lock
		_ = look
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("alive with a stuck loop: %v", err)
		default:
		}
		stuck := errors.New("too long")
		cancel(stuck)
		if err := <-ended; !errors.Is(err, stuck) {
			t.Errorf("got %v", err)
		}
		n.stop.raise()
		if err := n.Alive(t.Context()); err != nil {
			t.Errorf("a node that stops: %v", err)
		}
	})
}
