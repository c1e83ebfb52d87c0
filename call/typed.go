package call

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"iter"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json"
)

var rawType = reflect.TypeFor[stdjson.RawMessage]()

// Call calls an operation with Go values. The input is encoded as JSON, nil as
// null; json.RawMessage is sent as it is, and as O returned as it came. Members
// of the answer that O lacks are ignored. Errors are of type *Error.
func Call[O any](ctx context.Context, c Caller, operation string, input any) (O, error) {
	var out O
	raw, err := encode(input)
	if err != nil {
		return out, Errorf(CodeInvalidInput, "encode input of %s: %w", operation, err)
	}
	read := func(answer stdjson.RawMessage) (err error) {
		if out, err = decode[O](answer); err != nil {
			return Errorf(CodeInternal, "decode answer of %s: %w", operation, err)
		}
		return nil
	}
	if client, ok := c.(*Client); ok && copies[O]() {
		return out, asErrorOrNil(client.Lend(ctx, operation, raw, read))
	}
	answer, err := c.Call(ctx, operation, raw)
	if err == nil {
		err = read(answer)
	}
	return out, asErrorOrNil(err)
}

func asErrorOrNil(err error) error {
	if err == nil {
		return nil
	}
	return asError(err)
}

// Subscribe is [Call] for a subscription. An error is yielded last, with the
// zero O. Leaving the loop aborts the subscription.
func Subscribe[O any](ctx context.Context, c Caller, operation string, input any) iter.Seq2[O, error] {
	return func(yield func(O, error) bool) {
		var zero O
		raw, err := encode(input)
		if err != nil {
			yield(zero, Errorf(CodeInvalidInput, "encode input of %s: %w", operation, err))
			return
		}
		answers := c.Subscribe(ctx, operation, raw)
		if client, ok := c.(*Client); ok && copies[O]() {
			answers = client.LendEach(ctx, operation, raw)
		}
		for answer, err := range answers {
			if err != nil {
				yield(zero, asError(err))
				return
			}
			out, err := decode[O](answer)
			if err != nil {
				yield(zero, Errorf(CodeInternal, "decode answer of %s: %w", operation, err))
				return
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

// A BatchCall is one call of a [Batch].
type BatchCall struct {
	Operation string
	Input     any // as for Call
}

// A BatchResult is the outcome of one call of a [Batch].
type BatchResult struct {
	Output stdjson.RawMessage // nil after an error
	Err    error              // of type *Error; nil after success
}

// batchCalls bounds how many calls of one batch are in flight.
const batchCalls = 16

// Batch makes several calls, a bounded number at a time, and returns their
// results in the order of the calls. It is no transaction: a failure touches
// no other call, and the order of execution is open.
func Batch(ctx context.Context, c Caller, calls ...BatchCall) []BatchResult {
	results := make([]BatchResult, len(calls))
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	for range min(batchCalls, len(calls)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(calls)); i = next.Add(1) - 1 {
				results[i].Output, results[i].Err = Call[stdjson.RawMessage](ctx, c, calls[i].Operation, calls[i].Input)
			}
		})
	}
	wg.Wait()
	return results
}

// asError keeps the promise of *Error for Callers that do not.
func asError(err error) error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTimeout, Message: requestTimedOut, Retryable: true, err: err}
	}
	return &Error{Code: CodeInternal, Message: err.Error(), err: err}
}

func encode(v any) (stdjson.RawMessage, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case stdjson.RawMessage:
		return v, nil
	}
	return json.Marshal(v, json.Deterministic(true))
}

func decode[T any](raw stdjson.RawMessage) (T, error) {
	var v T
	if r, ok := any(&v).(*stdjson.RawMessage); ok {
		*r = raw
		return v, nil
	}
	if raw == nil {
		raw = stdjson.RawMessage("null")
	}
	err := json.Unmarshal(raw, &v)
	return v, err
}

// decodeInput reads what the schema has admitted. Unknown members are the
// schema's business: the one derived from I refuses them.
func decodeInput[I any](raw stdjson.RawMessage) (I, error) {
	in, err := decode[I](raw)
	if err != nil {
		return in, &refusal{Errorf(CodeInvalidInput, "input: %w", err)}
	}
	return in, nil
}
