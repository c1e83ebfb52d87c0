package call_test

import (
	"context"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

// What subscriptions needed is gone when they have ended, on both ends of a
// connection that stays.
func TestNothingIsLeftOfSubscriptions(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		reg := new(call.Registry)
		must(t, call.Subscription(reg, "test/silent", func(ctx context.Context, _ struct{}) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				if yield(1, nil) {
					<-ctx.Done()
				}
			}
		}), call.Query(reg, "math/add", add))
		near, far := pair()
		served := make(chan error, 1)
		go func() {
			served <- (&call.Server{Registry: reg}).Handle(context.Background(), far, coretest.Auth(t, far, "peer", everything...))
		}()
		c := call.NewClient(near)
		must(t, second(call.Call[sum](t.Context(), c, "math/add", sumInput{1, 2})))
		idle := func() []string {
			for range 20 {
				synctest.Wait()
				<-after(t)
			}
			return stacks()
		}
		before := 0
		for round := range 4 {
			var wg, begun sync.WaitGroup
			ctx, cancel := context.WithCancel(t.Context())
			for range 100 {
				begun.Add(1)
				wg.Go(func() {
					for n, err := range call.Subscribe[int](ctx, c, "test/silent", nil) {
						if err == nil && n == 1 {
							begun.Done()
						}
					}
				})
			}
			begun.Wait()
			cancel()
			wg.Wait()
			if left := idle(); round == 0 {
				before = len(left) // with the streams that stay
			} else if len(left) > before {
				t.Fatalf("%d goroutines before, %d afterwards\n%s", before, len(left), strings.Join(left, "\n\n"))
			}
		}
		c.Close()
		<-c.Done()
		<-served
	})
}

func after(t *testing.T) <-chan time.Time { return time.After(500 * time.Millisecond) }

// stacks are those of the goroutines of clients and servers.
func stacks() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	return slices.DeleteFunc(strings.Split(string(buf), "\n\n"), func(stack string) bool {
		return !strings.Contains(stack, "alknet/call.(*Client)") && !strings.Contains(stack, "alknet/call.(*stream)")
	})
}
