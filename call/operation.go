package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"

	"github.com/alkdev/alknet/call/internal/schema"
	"github.com/alkdev/alknet/core/auth"
)

// An Operation is what a [Registry] holds: a [Spec] with the code behind it.
// [Query], [Mutation] and [Subscription] make one from a Go function.
//
// Handlers get input that satisfies the schema, and a context that belongs to
// the call: it ends when the call is aborted, runs out of time or loses its
// connection, and [RequestFrom] and [EnvFrom] take what is known of the call
// from it. A handler that goes on after the end of its context holds its
// caller's place among those that may be in flight.
//
// What a handler returns is checked by the output schema; an answer that
// violates it is not sent, and the call fails with INTERNAL. How errors reach
// the caller:
//
//   - an [Error] with a code that the Spec declares: as it is. Details must
//     satisfy the declared schema, or the call fails with INTERNAL. They may
//     be left out.
//   - an Error with any other code, also one of the protocol's and one that a
//     composed call has returned: INTERNAL, with "code", "message" and
//     "details" of the original in the details. An import ([FromCall]) stands
//     for the operation it forwards to, so the protocol's codes pass there.
//   - after the end of the context: TIMEOUT or INTERNAL "request cancelled".
//   - every other error: INTERNAL with the error's text, so what the caller
//     must not read does not belong into it.
//   - a panic: INTERNAL "the handler failed"; the Server's Logger gets the
//     value and the stack.
type Operation struct {
	Spec
	// Handle answers a query or mutation. A nil answer stands for null. The
	// input must be kept no longer than the call, nor changed.
	Handle func(ctx context.Context, input json.RawMessage) (json.RawMessage, error)
	// Stream answers a subscription. An error is its last item. It must
	// return when ctx ends.
	Stream func(ctx context.Context, input json.RawMessage) iter.Seq2[json.RawMessage, error]
	// Borrows says that nothing refers to the input when the handler has
	// returned but its answer, so that its memory can serve another call.
	// Query, Mutation and Subscription set it where they decode the input.
	Borrows bool

	Provenance Provenance // empty means Local
	// Authority is whom the calls are checked against that the handler
	// composes; nil composes nothing.
	Authority *Authority
	// Uses are the operations that the handler may compose: names, and
	// "peer:NAME/OPERATION" for one peer's alone. Every other one does not
	// exist for it.
	Uses []string
	// Capabilities are the secrets that the handler, and what it composes,
	// may use.
	Capabilities Capabilities
}

// An Authority is in whose name an operation composes others. It takes part in
// access control as an identity named Label, of the kind auth.KindOperation,
// which holds Scopes; the rights of the caller do not add to it.
type Authority struct {
	Label  string
	Scopes auth.Scopes
}

// clone copies everything that a caller may still hold, and fills in defaults.
func (op Operation) clone() Operation {
	op.Input, op.Output = bytes.Clone(op.Input), bytes.Clone(op.Output)
	op.Errors = slices.Clone(op.Errors)
	for i := range op.Errors {
		op.Errors[i].Schema = bytes.Clone(op.Errors[i].Schema)
	}
	op.Access.Scopes = slices.Clone(op.Access.Scopes)
	op.Access.AnyScope = slices.Clone(op.Access.AnyScope)
	op.Uses = slices.Clone(op.Uses)
	if op.Authority != nil {
		a := *op.Authority
		a.Scopes = slices.Clone(a.Scopes)
		op.Authority = &a
	}
	if op.Visibility == "" {
		op.Visibility = External
	}
	if op.Provenance == "" {
		op.Provenance = Local
	}
	return op
}

// An Option adds to an operation that is made from a function.
type Option func(*Operation)

// Describe says in a sentence or two, to people and agents, what it does.
func Describe(text string) Option { return func(op *Operation) { op.Description = text } }

// Public admits everybody; see [Access].
func Public() Option { return func(op *Operation) { op.Access.Public = true } }

// RequireScopes replaces the scope "call:NAME" that is required otherwise. All
// of them must be held.
func RequireScopes(scopes ...string) Option {
	return func(op *Operation) { op.Access.Scopes = append(op.Access.Scopes, scopes...) }
}

// Hidden makes the operation [Internal].
func Hidden() Option { return func(op *Operation) { op.Visibility = Internal } }

// Fails declares errors.
func Fails(errors ...ErrorSpec) Option {
	return func(op *Operation) { op.Errors = append(op.Errors, errors...) }
}

// Composes lets the handler call the operations named by uses, as a.
func Composes(a Authority, uses ...string) Option {
	return func(op *Operation) { op.Authority, op.Uses = &a, append(op.Uses, uses...) }
}

// Holds wires secrets to the handler.
func Holds(c Capabilities) Option { return func(op *Operation) { op.Capabilities = c } }

// Owns asks that the caller owns the resource whose id is at idPath of the
// input; see [Access] and Spec.ResourceIDPath.
func Owns(resourceType, action, idPath string) Option {
	return func(op *Operation) {
		op.Access.ResourceType, op.Access.ResourceAction = resourceType, action
		op.ResourceIDPath = idPath
	}
}

// Query registers fn under name as an operation that answers once and changes
// nothing. Both schemas are derived from the types and their tags: `json`, and
// `jsonschema` for descriptions. json.RawMessage and any accept every value;
// struct{} as input accepts null also.
func Query[I, O any](r *Registry, name string, fn func(context.Context, I) (O, error), opts ...Option) error {
	return registerFunc[I, O](r, name, TypeQuery, opts, onceFunc(fn))
}

// Mutation is [Query] for an operation that changes something.
func Mutation[I, O any](r *Registry, name string, fn func(context.Context, I) (O, error), opts ...Option) error {
	return registerFunc[I, O](r, name, TypeMutation, opts, onceFunc(fn))
}

// Subscription is [Query] for an operation that answers any number of times.
// fn's sequence ends by returning, or with an error; it must end when ctx does.
func Subscription[I, O any](r *Registry, name string, fn func(context.Context, I) iter.Seq2[O, error], opts ...Option) error {
	return registerFunc[I, O](r, name, TypeSubscription, opts, func(op *Operation) {
		if fn != nil {
			op.Borrows = copies[I]()
			op.Stream = func(ctx context.Context, input json.RawMessage) iter.Seq2[json.RawMessage, error] {
				return streamOf(ctx, input, fn)
			}
		}
	})
}

func onceFunc[I, O any](fn func(context.Context, I) (O, error)) func(*Operation) {
	return func(op *Operation) {
		if fn == nil {
			return
		}
		op.Borrows = copies[I]()
		op.Handle = func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
			in, err := decodeInput[I](input)
			if err != nil {
				return nil, err
			}
			out, err := fn(ctx, in)
			if err != nil {
				return nil, err
			}
			return encode(out)
		}
	}
}

func streamOf[I, O any](ctx context.Context, input json.RawMessage, fn func(context.Context, I) iter.Seq2[O, error]) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		in, err := decodeInput[I](input)
		if err != nil {
			yield(nil, err)
			return
		}
		for out, err := range fn(ctx, in) {
			var raw json.RawMessage
			if err == nil {
				raw, err = encode(out)
			}
			if !yield(raw, err) || err != nil {
				return
			}
		}
	}
}

// copies reports that decoding leaves nothing of the bytes in the Go value: a
// json.RawMessage is the bytes.
func copies[T any]() bool { return reflect.TypeFor[T]() != reflect.TypeFor[json.RawMessage]() }

func registerFunc[I, O any](r *Registry, name string, typ Type, opts []Option, handler func(*Operation)) error {
	op := Operation{Spec: Spec{Name: name, Type: typ}}
	var errIn, errOut error
	op.Input, errIn = schemaOf[I](true)
	op.Output, errOut = schemaOf[O](false)
	if err := errors.Join(errIn, errOut); err != nil {
		return fmt.Errorf("register operation %q: %w", clip(name, maxName), err)
	}
	handler(&op)
	for _, opt := range opts {
		opt(&op)
	}
	return r.Register(op)
}

func schemaOf[T any](input bool) (json.RawMessage, error) {
	t := reflect.TypeFor[T]()
	switch {
	case t == rawType || t.Kind() == reflect.Interface:
		return nil, nil
	case input && t.Kind() == reflect.Struct && t.NumField() == 0:
		return json.RawMessage(`{"type":["object","null"],"additionalProperties":false}`), nil
	}
	raw, err := schema.For[T]()
	if err != nil {
		return nil, fmt.Errorf("schema of %v: %w", t, err)
	}
	return raw, nil
}
