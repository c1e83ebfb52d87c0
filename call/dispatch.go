package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/alkdev/alknet/call/internal/jsontok"
	"github.com/alkdev/alknet/core"
)

// incoming is a call as it has come in, before anything is decided about it.
type incoming struct {
	id, operation string
	entry         *entry          // what lookup found; nil if nothing
	input         json.RawMessage // complete and strict JSON; nil stands for null
	invalid       error           // what the input schema says; told only to who may call
	identity      core.Identity   // nobody if nothing was proved
	forwarded     *ForwardedFor
	client        *Client
}

// admit decides whether a call may run, in the order of docs/wire/call.md,
// section 5: existence, access, input. Secrets are loaded when all is decided.
func (s *Server) admit(in incoming) (*Request, *Error) {
	if in.entry == nil {
		return nil, notFound(in.operation)
	}
	if failure := in.entry.gate.allow(s.Ownership, in.identity, in.input); failure != nil {
		return nil, failure
	}
	if in.invalid != nil {
		return nil, invalidInput(in.invalid)
	}
	call := &running{request: Request{
		ID:           in.id,
		Operation:    in.entry.op.Name,
		Identity:     in.identity,
		ForwardedFor: in.forwarded,
		Client:       in.client,
		Capabilities: in.entry.op.Capabilities,
	}}
	call.attach(s, in.entry)
	return &call.request, nil
}

// once runs a query or mutation. It returns when the handler does; if the
// handler ends its goroutine (runtime.Goexit), once does not return, and
// whoever waits for an answer has to see to it in a deferred function.
func (s *Server) once(ctx context.Context, r *Request, e *entry, input json.RawMessage) (json.RawMessage, *Error) {
	if e.op.Type == TypeSubscription {
		return nil, wrongType(e)
	}
	if failure := endOf(ctx); failure != nil {
		return nil, failure
	}
	return s.handle(r.scope.start(ctx), e, orNull(input))
}

func (s *Server) handle(ctx context.Context, e *entry, input json.RawMessage) (out json.RawMessage, failure *Error) {
	returned := false
	defer func() {
		if !returned {
			out, failure = nil, s.crashed(e, recover())
		}
	}()
	out, err := e.op.Handle(ctx, input)
	if err != nil {
		out, failure = nil, s.failure(ctx, e, err)
	} else {
		out, failure = s.checked(e, out)
	}
	returned = true
	return out, failure
}

// stream runs a subscription. An error is its last item.
func (s *Server) stream(ctx context.Context, r *Request, e *entry, input json.RawMessage) iter.Seq2[json.RawMessage, *Error] {
	return func(yield func(json.RawMessage, *Error) bool) {
		failure := endOf(ctx)
		if e.op.Type != TypeSubscription {
			failure = wrongType(e)
		}
		if failure == nil {
			failure = s.items(r.scope.start(ctx), e, orNull(input), yield)
		}
		if failure != nil {
			yield(nil, failure)
		}
	}
}

// items yields the answers of a subscription and returns the error that it
// ends with, nil also if the consumer has left.
func (s *Server) items(ctx context.Context, e *entry, input json.RawMessage, yield func(json.RawMessage, *Error) bool) (failure *Error) {
	var left, consuming, returned bool
	defer func() {
		if returned || consuming { // a panic of the consumer is the consumer's
			return
		}
		if crash := s.crashed(e, recover()); failure == nil && !left {
			failure = crash
		}
	}()
	for out, err := range e.op.Stream(ctx, input) {
		if err != nil {
			failure = s.failure(ctx, e, err)
			break
		}
		if out, failure = s.checked(e, out); failure != nil {
			break
		}
		consuming = true
		more := yield(out, nil)
		consuming = false
		if !more {
			left = true
			break
		}
	}
	if failure == nil && !left {
		failure = endOf(ctx)
	}
	returned = true
	return failure
}

// checked holds an answer against the output schema.
func (s *Server) checked(e *entry, out json.RawMessage) (json.RawMessage, *Error) {
	out = orNull(out)
	if err := e.output.ValidateNested(out, envelopeDepth); err != nil {
		s.logger().Error("call: answer violates its schema", "operation", e.op.Name, "reason", err)
		return nil, Errorf(CodeInternal, "the answer violates the operation's schema")
	}
	return out, nil
}

func (s *Server) crashed(e *entry, value any) *Error {
	if value == nil {
		value = "the handler ended its goroutine"
	}
	s.logger().Error("call: handler failed", "operation", e.op.Name, "panic", value, "stack", string(debug.Stack()))
	return Errorf(CodeInternal, "the handler failed")
}

// A refusal passes through a handler of this package as it is.
type refusal struct{ told *Error }

func (r *refusal) Error() string { return r.told.Error() }
func (r *refusal) Unwrap() error { return r.told }

// failure is what a handler's error becomes: see Operation.
func (s *Server) failure(ctx context.Context, e *entry, err error) *Error {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.told
	}
	var told *Error
	if !errors.As(err, &told) {
		if failure := endOf(ctx); failure != nil {
			return failure
		}
		return &Error{Code: CodeInternal, Message: clip(err.Error(), maxMessage), err: err}
	}
	details, declared := e.errors[told.Code]
	switch {
	case declared && told.Details != nil:
		if err := details.Validate(told.Details); err != nil {
			s.logger().Error("call: error details violate their schema", "operation", e.op.Name, "code", told.Code, "reason", err)
			return Errorf(CodeInternal, "the details of the error %s violate its schema", told.Code)
		}
	case declared:
	default:
		if failure := endOf(ctx); failure != nil {
			return failure
		}
		return undeclared(e, told)
	}
	return passed(told)
}

// undeclared is what a code that the operation does not declare becomes.
func undeclared(e *entry, told *Error) *Error {
	valid := told.Details == nil || jsontok.Valid(told.Details) == nil
	if valid && (told.Code == CodeInternal || e.op.Provenance == FromCall && slices.Contains(protocolCodes, told.Code)) {
		return passed(told)
	}
	original := struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Details json.RawMessage `json:"details,omitempty"`
	}{clip(told.Code, maxCode), clip(told.Message, maxMessage), nil}
	if valid {
		original.Details = told.Details
	}
	details, err := encode(original)
	if err != nil {
		details = nil
	}
	return &Error{
		Code:      CodeInternal,
		Message:   clip(told.Message, maxMessage),
		Retryable: told.Retryable,
		Details:   details,
		err:       told,
	}
}

func passed(told *Error) *Error {
	return &Error{
		Code:      told.Code,
		Message:   clip(told.Message, maxMessage),
		Retryable: told.Retryable,
		Details:   told.Details,
		err:       told,
	}
}

const (
	maxMessage      = 4096 // bytes
	requestTimedOut = "request timed out"
)

// endOf is the error of a call whose context has ended; nil if it has not. A
// deadline counts by the clock: the timers of several that are equal expire in
// any order.
func endOf(ctx context.Context) *Error {
	err := ctx.Err()
	if deadline, ok := ctx.Deadline(); err == nil && ok && !time.Now().Before(deadline) {
		err = context.DeadlineExceeded
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTimeout, Message: requestTimedOut, Retryable: true, err: err}
	}
	return &Error{Code: CodeInternal, Message: "request cancelled", err: err}
}

func notFound(operation string) *Error {
	return Errorf(CodeNotFound, "operation not found: %s", clip(operation, maxName))
}

func invalidInput(err error) *Error {
	return &Error{Code: CodeInvalidInput, Message: clip(fmt.Sprintf("input: %v", err), maxMessage), err: err}
}

func wrongType(e *entry) *Error {
	return Errorf(CodeInvalidOperationType, "%s is a %s", e.op.Name, e.op.Type)
}

// clip makes text that came from anywhere fit into a message.
func clip(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
