package core_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

func TestProve(t *testing.T) {
	shaken := core.Identity{Name: "laptop", Kind: auth.KindPeer}
	alice := core.Identity{Name: "alice", Kind: auth.KindPeer}
	refusal := errors.New("too many connections")
	var refuse bool
	var told []string
	var a *core.AuthContext
	a = core.NewAuthContext(shaken, auth.Key{}, "ssh", nil, func(id core.Identity) error {
		told = append(told, id.Name+" after "+a.Who().Name)
		if refuse {
			return refusal
		}
		return nil
	})
	if a.Who().Name != "laptop" {
		t.Error("before:", a.Who())
	}
	refuse = true
	if err := a.Prove(alice); !errors.Is(err, refusal) || a.Who().Name != "laptop" {
		t.Errorf("refused: %v, then %v", err, a.Who())
	}
	refuse = false
	if err := a.Prove(alice); err != nil || a.Who().Name != "alice" {
		t.Errorf("%v, then %v", err, a.Who())
	}
	if err := a.Prove(shaken); !errors.Is(err, core.ErrAlreadyProven) || a.Who().Name != "alice" {
		t.Errorf("twice: %v, then %v", err, a.Who())
	}
	if a.Identity.Name != "laptop" {
		t.Error("the handshake's identity changed")
	}
	if got := strings.Join(told, ", "); got != "alice after laptop, alice after laptop" {
		t.Error("told:", got)
	}
}

func TestProveConcurrently(t *testing.T) {
	a := core.NewAuthContext(core.Identity{}, auth.Key{}, "ssh", nil, nil)
	var accepted atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			a.Who()
			if a.Prove(core.Identity{Name: "alice"}) == nil {
				accepted.Add(1)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != 1 {
		t.Errorf("%d proofs were accepted", accepted.Load())
	}
}

func TestLogAttempt(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	a := core.NewAuthContext(core.Identity{}, auth.Key{}, "ssh", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 9}, nil)
	a.LogAttempt(log, "publickey", "ed25519:00", errors.New("unknown key"))
	a.LogAttempt(log, "publickey", "ed25519:00", nil)
	a.LogAttempt(nil, "publickey", "ed25519:00", nil)
	core.NewAuthContext(core.Identity{}, auth.Key{}, "ssh", nil, nil).LogAttempt(log, "none", "", nil)
	for _, part := range []string{
		`msg="auth attempt" remote_addr=192.0.2.7:9 alpn=ssh method=publickey key=ed25519:00 result=reject reason="unknown key"`,
		`result=accept reason=""`, `remote_addr="" `,
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%s is not in\n%s", part, out.String())
		}
	}
}
