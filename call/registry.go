package call

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/alkdev/alknet/call/internal/schema"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// A Registry holds operations by name. The zero value is empty and ready. It
// is filled before a [Server] uses it and is static from then on, so that what
// a node offers does not depend on when one asks. It must not be copied.
type Registry struct {
	mu     sync.Mutex // protects the maps until static is set
	static atomic.Bool

	all      map[string]*entry
	external map[string]*entry // what other nodes may find, and nothing else
}

// reserved is the namespace of discovery.
const reserved = "services"

// Register adds an operation. On an error, which says what is wrong with the
// operation, nothing has been registered: the name is taken, ill-formed or in
// the reserved namespace "services"; the handler does not fit the type; a
// schema does not compile; an error code is one of the protocol's or declared
// twice; a scope cannot be required; a leaf composes; or the registry is
// already in use.
func (r *Registry) Register(op Operation) error {
	if r == nil {
		return errors.New("register operation: there is no registry")
	}
	e, err := compile(op)
	if err == nil {
		err = r.add(e)
	}
	if err != nil {
		return fmt.Errorf("register operation %q: %w", clip(op.Name, maxName), err)
	}
	return nil
}

func (r *Registry) add(e *entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.static.Load():
		return errors.New("the registry is in use already; register before serving")
	case r.all[e.op.Name] != nil:
		return errors.New("the name is taken")
	case r.all == nil:
		r.all, r.external = map[string]*entry{}, map[string]*entry{}
	}
	r.put(e)
	return nil
}

// Operations returns what has been registered, sorted by name, in memory of its
// own: for another registry that is to offer the same and more.
func (r *Registry) Operations() []Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	ops := make([]Operation, 0, len(r.all))
	for _, e := range r.all {
		if e.op.Namespace() != reserved {
			ops = append(ops, e.op.clone())
		}
	}
	slices.SortFunc(ops, func(a, b Operation) int { return strings.Compare(a.Name, b.Name) })
	return ops
}

func (r *Registry) put(e *entry) {
	r.all[e.op.Name] = e
	if e.op.Visibility == External {
		r.external[e.op.Name] = e
	}
}

// freeze ends registration. Afterwards the maps are read without a lock.
func (r *Registry) freeze() {
	if r.static.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.static.Load() {
		return
	}
	if r.all == nil {
		r.all, r.external = map[string]*entry{}, map[string]*entry{}
	}
	for _, e := range discovery() {
		r.put(e)
	}
	r.static.Store(true)
}

// find returns an operation for composition; nil if there is none.
func (r *Registry) find(name string) *entry {
	if r == nil {
		return nil
	}
	r.freeze()
	return r.all[name]
}

// lookup returns what other nodes may call by a name without leading slash,
// and nil for everything else. What is internal is in no map that this reads,
// so that probing for it is probing for something that does not exist.
func (s *Server) lookup(operation string) *entry {
	s.Registry.freeze()
	if e := s.Registry.external[operation]; e != nil {
		if operation == listPeersName && s.Peers == nil {
			return nil
		}
		return e
	}
	return s.Peers.exposed(operation)
}

// An entry is an operation that has been checked, with everything compiled
// that a call needs. It is read-only.
type entry struct {
	op            Operation
	input, output *schema.Schema
	errors        map[string]*schema.Schema // by declared code; a nil schema accepts everything
	gate          gate
	uses          map[string]bool
	authority     core.Identity // who composed calls are made as; nobody if it composes nothing
}

// compile checks an operation. Peers compile what they import with it.
func compile(op Operation) (*entry, error) {
	if op.Namespace() == reserved {
		return nil, errors.New(`the namespace "services" is reserved for discovery`)
	}
	return newEntry(op)
}

func newEntry(op Operation) (*entry, error) {
	op = op.clone()
	e := &entry{op: op}
	for _, step := range []func(*entry) error{
		(*entry).checkKind, (*entry).compileSchemas, (*entry).compileErrors,
		(*entry).compileAccess, (*entry).compileComposition,
	} {
		if err := step(e); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *entry) checkKind() error {
	op := &e.op
	if err := checkName(op.Name); err != nil {
		return err
	}
	switch op.Type {
	case TypeQuery, TypeMutation:
		if op.Handle == nil || op.Stream != nil {
			return fmt.Errorf("a %s has Handle, and no Stream", op.Type)
		}
	case TypeSubscription:
		if op.Stream == nil || op.Handle != nil {
			return fmt.Errorf("a %s has Stream, and no Handle", op.Type)
		}
	default:
		return fmt.Errorf("the type is %q, not query, mutation or subscription", op.Type)
	}
	switch op.Provenance {
	case Local, FromCall, FromOpenAPI, FromMCP, FromJSONSchema:
	case Session:
		if op.Visibility != Internal {
			return errors.New("an operation of a session must be Internal")
		}
	default:
		return fmt.Errorf("the provenance %q is unknown", op.Provenance)
	}
	if op.Visibility != External && op.Visibility != Internal {
		return fmt.Errorf("the visibility is %q, not external or internal", op.Visibility)
	}
	return nil
}

func (e *entry) compileSchemas() (err error) {
	if e.input, err = schema.Compile(e.op.Input); err != nil {
		return fmt.Errorf("input schema: %w", err)
	}
	if e.output, err = schema.Compile(e.op.Output); err != nil {
		return fmt.Errorf("output schema: %w", err)
	}
	return nil
}

func (e *entry) compileErrors() error {
	e.errors = make(map[string]*schema.Schema, len(e.op.Errors))
	for _, spec := range e.op.Errors {
		if err := checkCode(spec.Code); err != nil {
			return err
		}
		if _, twice := e.errors[spec.Code]; twice {
			return fmt.Errorf("the error %s is declared twice", spec.Code)
		}
		if spec.HTTPStatus != 0 && (spec.HTTPStatus < 400 || spec.HTTPStatus > 599) {
			return fmt.Errorf("the error %s has the HTTP status %d; it must be 400 to 599", spec.Code, spec.HTTPStatus)
		}
		details, err := schema.Compile(spec.Schema)
		if err != nil {
			return fmt.Errorf("schema of the error %s: %w", spec.Code, err)
		}
		e.errors[spec.Code] = details
	}
	return nil
}

func (e *entry) compileAccess() (err error) {
	e.gate, err = newGate(e.op.Name, e.op.Access, e.op.ResourceIDPath)
	return err
}

func (e *entry) compileComposition() error {
	op := &e.op
	if op.Provenance != Local && op.Provenance != Session && (op.Authority != nil || op.Uses != nil) {
		return fmt.Errorf("an operation of provenance %s composes nothing: it has neither Authority nor Uses", op.Provenance)
	}
	if op.Authority == nil {
		if len(op.Uses) > 0 {
			return errors.New("it has Uses and no Authority to compose under")
		}
		return nil
	}
	if op.Authority.Label == "" {
		return errors.New("the Authority has no Label")
	}
	e.authority = core.Identity{Name: op.Authority.Label, Kind: auth.KindOperation, Scopes: op.Authority.Scopes}
	e.uses = make(map[string]bool, len(op.Uses))
	for _, use := range op.Uses {
		name := use
		if pinned, ok := strings.CutPrefix(use, pinnedPrefix); ok {
			peer, rest, _ := strings.Cut(pinned, "/")
			if peer == "" {
				return fmt.Errorf("use %q names no peer; write peer:NAME/OPERATION", clip(use, maxName))
			}
			name = rest
		}
		if err := checkName(name); err != nil {
			return fmt.Errorf("use %q: %w", clip(use, maxName), err)
		}
		e.uses[use] = true
	}
	return nil
}

const (
	maxName      = 200 // bytes
	maxCode      = 64
	pinnedPrefix = "peer:"
)

func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("the name is longer than %d bytes", maxName)
	}
	parts := 0
	for part := range strings.SplitSeq(name, "/") {
		parts++
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, notInName) {
			return errors.New("a name is components of letters, digits, '.', '_' and '-', joined by '/', none of them empty, '.' or '..'")
		}
	}
	if parts < 2 {
		return errors.New("a name has two or more components, as in math/add")
	}
	return nil
}

func notInName(c rune) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	return !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
}

var protocolCodes = []string{CodeNotFound, CodeForbidden, CodeInvalidInput, CodeInvalidOperationType, CodeInternal, CodeTimeout}

func checkCode(code string) error {
	switch {
	case code == "" || len(code) > maxCode || strings.ContainsFunc(code, func(c rune) bool { return c != ':' && notInName(c) }):
		return fmt.Errorf("the error code %q is not 1 to %d letters, digits, '.', '_', '-' and ':'", clip(code, maxCode), maxCode)
	case slices.Contains(protocolCodes, code):
		return fmt.Errorf("the error code %s belongs to the protocol", code)
	}
	return nil
}
