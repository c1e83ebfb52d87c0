package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
)

type pair struct {
	A int8   `json:"a" jsonschema:"the first"`
	B string `json:"b,omitempty"`
}

func typed(t *testing.T) call.Caller {
	t.Helper()
	reg := new(call.Registry)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(call.Query(reg, "t/double", func(_ context.Context, in pair) (pair, error) { return pair{2 * in.A, in.B + in.B}, nil }, call.Public()))
	must(call.Query(reg, "t/nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }, call.Public()))
	must(call.Query(reg, "t/raw", func(_ context.Context, in json.RawMessage) (json.RawMessage, error) { return in, nil }, call.Public()))
	must(call.Query(reg, "t/any", func(_ context.Context, in any) (any, error) { return in, nil }, call.Public()))
	must(call.Query(reg, "t/map", func(_ context.Context, in map[string]int) (map[string]int, error) { return in, nil }, call.Public()))
	must(call.Mutation(reg, "t/fail", func(context.Context, int) (int, error) { return 0, call.Errorf("ODD", "odd") },
		call.Public(), call.Fails(call.ErrorSpec{Code: "ODD"}), call.Describe("Fails.")))
	must(call.Query(reg, "t/time", func(_ context.Context, in time.Time) (time.Time, error) { return in, nil }, call.Public()))
	must(call.Query(reg, "t/channel", func(context.Context, struct{}) (any, error) { return make(chan int), nil }, call.Public()))
	must(call.Subscription(reg, "t/count", func(_ context.Context, n int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if i == 5 {
					yield(0, call.Errorf("ODD", "five"))
					return
				}
				if !yield(i, nil) {
					return
				}
			}
		}
	}, call.Public(), call.Fails(call.ErrorSpec{Code: "ODD"})))
	return (&call.Server{Registry: reg}).Local(nobody)
}

func TestTypedCalls(t *testing.T) {
	c := typed(t)
	got, err := call.Call[pair](t.Context(), c, "t/double", pair{3, "x"})
	if err != nil || got != (pair{6, "xx"}) {
		t.Errorf("%v %v", got, err)
	}
	for _, in := range []any{nil, struct{}{}, json.RawMessage(`{}`), json.RawMessage(`null`)} {
		if out, err := call.Call[json.RawMessage](t.Context(), c, "t/nothing", in); err != nil || string(out) != "{}" {
			t.Errorf("%v: %s %v", in, out, err)
		}
	}
	for _, raw := range []string{`1.0`, `123456789012345678901234567890`, `{"b":1,"a":[ 2 ]}`, `"\u00e9"`} {
		if out, err := call.Call[json.RawMessage](t.Context(), c, "t/raw", json.RawMessage(raw)); err != nil || string(out) != raw {
			t.Errorf("%s became %s: %v", raw, out, err)
		}
	}
	if out, err := call.Call[any](t.Context(), c, "t/any", []string{"x"}); err != nil || !reflect.DeepEqual(out, []any{"x"}) {
		t.Errorf("%v %v", out, err)
	}
	for range 10 {
		out, err := c.Call(t.Context(), "t/map", json.RawMessage(`{"d":4,"a":1,"c":3,"b":2}`))
		if err != nil || string(out) != `{"a":1,"b":2,"c":3,"d":4}` {
			t.Fatalf("%s %v", out, err)
		}
	}
}

func TestTypedInputIsStrict(t *testing.T) {
	c := typed(t)
	for _, input := range []string{
		`{"A":1}`, `{"a":1,"B":"x"}`, `{"a":1,"c":2}`, `{"a":1,"a":2}`, `{"b":"x"}`, `{"a":"1"}`, `{"a":300}`, `{"a":1.5}`, `null`, `[1]`,
	} {
		if out, err := c.Call(t.Context(), "t/double", json.RawMessage(input)); call.CodeOf(err) != call.CodeInvalidInput {
			t.Errorf("%s: %s %v", input, out, err)
		}
	}
	if _, err := c.Call(t.Context(), "t/time", json.RawMessage(`"no time"`)); call.CodeOf(err) != call.CodeInvalidInput {
		t.Errorf("what the schema admits and the type does not: %v", err)
	}
	if _, err := c.Call(t.Context(), "t/nothing", json.RawMessage(`{"x":1}`)); call.CodeOf(err) != call.CodeInvalidInput {
		t.Errorf("struct{} takes members: %v", err)
	}
	if _, err := c.Call(t.Context(), "t/channel", nil); call.CodeOf(err) != call.CodeInternal {
		t.Errorf("an answer that is no JSON: %v", err)
	}
}

func TestTypedErrors(t *testing.T) {
	c := typed(t)
	isError := func(what string, err error, code string) {
		t.Helper()
		var e *call.Error
		if !errors.As(err, &e) || reflect.TypeOf(err) != reflect.TypeFor[*call.Error]() || e.Code != code {
			t.Errorf("%s: %#v", what, err)
		}
	}
	_, err := call.Call[int](t.Context(), c, "t/fail", 1)
	isError("declared", err, "ODD")
	_, err = call.Call[int](t.Context(), c, "t/none", 1)
	isError("missing", err, call.CodeNotFound)
	_, err = call.Call[int](t.Context(), c, "t/raw", func() {})
	isError("input that is no JSON", err, call.CodeInvalidInput)
	_, err = call.Call[int](t.Context(), c, "t/raw", "text")
	isError("answer of another type", err, call.CodeInternal)
	_, err = call.Call[int](t.Context(), odd{}, "x/y", nil)
	isError("a Caller with errors of its own", err, call.CodeInternal)
	for _, err = range call.Subscribe[int](t.Context(), odd{}, "x/y", nil) {
	}
	isError("a Caller whose deadline passed", err, call.CodeTimeout)
	for _, err = range call.Subscribe[int](t.Context(), c, "t/count", func() {}) {
	}
	isError("subscription with input that is no JSON", err, call.CodeInvalidInput)
	for _, err = range call.Subscribe[string](t.Context(), c, "t/count", 3) {
	}
	isError("item of another type", err, call.CodeInternal)
}

// odd is a Caller that breaks the promise of *Error.
type odd struct{}

func (odd) Call(context.Context, string, json.RawMessage) (json.RawMessage, error) {
	return nil, errors.New("odd")
}

func (odd) Subscribe(context.Context, string, json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		yield(nil, fmt.Errorf("odd: %w", context.DeadlineExceeded))
	}
}

func TestTypedSubscriptions(t *testing.T) {
	var got []string
	for n, err := range call.Subscribe[int](t.Context(), typed(t), "t/count", 9) {
		got = append(got, fmt.Sprint(n, err))
	}
	if want := "0 <nil>,1 <nil>,2 <nil>,3 <nil>,4 <nil>,0 ODD: five"; strings.Join(got, ",") != want {
		t.Errorf("%q", got)
	}
	for n := range call.Subscribe[int](t.Context(), typed(t), "t/count", 9) {
		if n == 2 {
			break
		}
	}
}

func TestAnswersMayHaveMoreMembersThanTheCallerKnows(t *testing.T) {
	got, err := call.Call[pair](t.Context(), typed(t), "t/any", map[string]any{"a": 1, "new": true, "A": 9})
	if err != nil || got.A != 1 {
		t.Errorf("%v %v", got, err)
	}
}

func TestDerivedSchemasArePublished(t *testing.T) {
	out, err := typed(t).Call(t.Context(), "services/schema", json.RawMessage(`{"name":"t/double"}`))
	if err != nil || !strings.Contains(string(out), "the first") || !strings.Contains(string(out), `"required":["a"]`) {
		t.Errorf("%s %v", out, err)
	}
	out, err = typed(t).Call(t.Context(), "services/schema", json.RawMessage(`{"name":"t/raw"}`))
	if err != nil || !strings.Contains(string(out), `"input_schema":{},"output_schema":{}`) {
		t.Errorf("%s %v", out, err)
	}
}

func TestTypesWithoutSchemaAreRefused(t *testing.T) {
	err := call.Query(new(call.Registry), "a/b", func(context.Context, chan int) (int, error) { return 0, nil })
	if err == nil || !strings.Contains(err.Error(), "schema of chan int") {
		t.Errorf("got %v", err)
	}
}

func TestBatchKeepsOrderAndFailuresApart(t *testing.T) {
	var calls []call.BatchCall
	for i := range 100 {
		switch i % 3 {
		case 0:
			calls = append(calls, call.BatchCall{Operation: "t/raw", Input: i})
		case 1:
			calls = append(calls, call.BatchCall{Operation: "t/none"})
		case 2:
			calls = append(calls, call.BatchCall{Operation: "t/fail", Input: 1})
		}
	}
	results := call.Batch(t.Context(), typed(t), calls...)
	for i, r := range results {
		want := []string{"", call.CodeNotFound, "ODD"}[i%3]
		if call.CodeOf(r.Err) != want || want == "" && string(r.Output) != fmt.Sprint(i) || want != "" && r.Output != nil {
			t.Errorf("%d: %s %v", i, r.Output, r.Err)
		}
	}
	if len(results) != 100 || len(call.Batch(t.Context(), typed(t))) != 0 {
		t.Error("results and calls differ in number")
	}
}

// slow counts how many calls are in flight.
type slow struct {
	odd
	now, most *atomic.Int64
}

func (s slow) Call(ctx context.Context, _ string, input json.RawMessage) (json.RawMessage, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return input, nil
}

func TestBatchBoundsWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slow{now: new(atomic.Int64), most: new(atomic.Int64)}
		began := time.Now()
		call.Batch(t.Context(), s, make([]call.BatchCall, 160)...)
		if s.most.Load() != 16 || time.Since(began) != 10*time.Second {
			t.Errorf("%d at once, %v", s.most.Load(), time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, r := range call.Batch(ctx, s, make([]call.BatchCall, 40)...) {
			if r.Err == nil {
				t.Error("a batch goes on after its context")
			}
		}
	})
}
