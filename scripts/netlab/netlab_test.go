package netlab_test

import (
	"context"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/link"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPing(t *testing.T) {
	lab := netlab.New(t, netlab.Config{Seed: 1})
	inet := lab.Network("internet")
	a, b := inet.Host("a"), inet.Host("b")
	a.Link().Both(link.Shape{Delay: 25 * time.Millisecond})
	for _, arg := range []string{"-4", "-6"} {
		out, err := a.Command(context.Background(), "ping", arg, "-c", "4", "-i", "0.2", "b").CombinedOutput()
		t.Logf("%s %v", out, err)
	}
	t.Log(a.Link().Stats(), b.Link().Stats(), lab.Stats())
}
