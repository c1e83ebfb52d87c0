package endpoint

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []Event
		refused := errors.New("no such token")
		e := &Endpoint{
			Identities: fickle{known, known},
			Observe:    func(ev Event) { seen = append(seen, ev) },
		}
		client := admitted(t, e, true, func(_ context.Context, conn core.Connection, who *core.AuthContext) error {
			who.LogAttempt(nil, "bearer", "", refused)
			time.Sleep(time.Minute)
			return nil
		})
		client.Close(core.CodeNone, "")
		e.conns.Wait()
		if len(seen) != 4 {
			t.Fatalf("got %+v", seen)
		}
		for i, want := range []Event{
			{Type: Attempted, Attempt: core.Attempt{Method: "tls", Credential: seen[0].Attempt.Credential}},
			{Type: Opened},
			{Type: Attempted, Attempt: core.Attempt{Method: "bearer", Err: refused}},
			{Type: Closed, Duration: time.Minute},
		} {
			got := seen[i]
			if got.Time.IsZero() || got.RemoteAddr == "" {
				t.Errorf("event %d has no time or address: %+v", i, got)
			}
			want.Time, want.RemoteAddr = got.Time, got.RemoteAddr
			want.Transport, want.ALPN, want.Peer = "quic", "alknet/test", "laptop"
			if got != want {
				t.Errorf("event %d: got %+v, want %+v", i, got, want)
			}
		}
		if seen[0].Attempt.Credential == "" {
			t.Error("the attempt names no key")
		}
	})
}

// Whoever changes the identity later is the one who leaves.
func TestObserveProven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last Event
		e := &Endpoint{Identities: fickle{removed, known}, Observe: func(ev Event) { last = ev }}
		client := admitted(t, e, false, func(_ context.Context, _ core.Connection, who *core.AuthContext) error {
			if last.Type != Opened || last.Peer != "" {
				t.Errorf("a stranger's connection: %+v", last)
			}
			return who.Prove(auth.Identity{Kind: auth.KindPeer, Name: "phone"})
		})
		e.conns.Wait()
		client.Close(core.CodeNone, "")
		if last.Type != Closed || last.Peer != "phone" {
			t.Errorf("got %+v", last)
		}
	})
}
