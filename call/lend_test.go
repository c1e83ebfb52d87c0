package call_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/alkdev/alknet/call"
)

// large is an answer whose memory is worth lending.
func large(n int) string { return strings.Repeat(fmt.Sprint(n%10), 4000) }

func lender(t *testing.T) *call.Server {
	t.Helper()
	reg := new(call.Registry)
	must(t,
		call.Query(reg, "test/large", func(_ context.Context, n int) (string, error) { return large(n), nil }),
		call.Query(reg, "test/kept", func(_ context.Context, in json.RawMessage) (json.RawMessage, error) { return in, nil }),
		call.Subscription(reg, "test/larges", func(_ context.Context, n int) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for i := range 50 {
					if !yield(large(n+i), nil) {
						return
					}
				}
			}
		}))
	return &call.Server{Registry: reg}
}

func TestLentAnswersAreThoseAskedFor(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		c := h.connect(lender(t), everything)
		var wg sync.WaitGroup
		for n := range 16 {
			wg.Go(func() {
				for range 30 {
					err := c.Lend(t.Context(), "test/large", fmt.Append(nil, n), func(output json.RawMessage) error {
						if string(output) != `"`+large(n)+`"` {
							t.Errorf("%d: got %.20s of %d bytes", n, output, len(output))
						}
						return nil
					})
					must(t, err)
				}
				i := 0
				for output, err := range c.LendEach(t.Context(), "test/larges", fmt.Append(nil, n)) {
					if err != nil || string(output) != `"`+large(n+i)+`"` {
						t.Errorf("item %d of %d: %v, got %.20s", i, n, err, output)
						return
					}
					i++
				}
				if i != 50 {
					t.Errorf("%d items", i)
				}
			})
		}
		wg.Wait()
	})
}

func TestAnErrorOfTheBorrowerIsReturned(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		c := h.connect(lender(t), everything)
		mine := fmt.Errorf("mine")
		if err := c.Lend(t.Context(), "test/large", []byte("1"), func(json.RawMessage) error { return mine }); err != mine {
			t.Errorf("got %v", err)
		}
		if err := c.Lend(t.Context(), "test/no", nil, func(json.RawMessage) error { t.Error("used"); return nil }); call.CodeOf(err) != call.CodeNotFound {
			t.Errorf("got %v", err)
		}
	})
}

// What a caller gets as bytes is its own.
func TestAnswersAndInputsAsBytesCanBeKept(t *testing.T) {
	overEach(t, func(t *testing.T, h *harness) {
		c := h.connect(lender(t), everything)
		var kept []json.RawMessage
		for n := range 100 {
			input := json.RawMessage(`"` + large(n) + `"`)
			raw, err := c.Call(t.Context(), "test/kept", input)
			must(t, err)
			typed, err := call.Call[json.RawMessage](t.Context(), c, "test/kept", input)
			must(t, err, second(call.Call[string](t.Context(), c, "test/large", n+1)))
			kept = append(kept, raw, typed)
		}
		for i, got := range kept {
			if want := `"` + large(i/2) + `"`; string(got) != want {
				t.Fatalf("answer %d became %.20s", i, got)
			}
		}
	})
}
