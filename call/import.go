package call

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/alkdev/alknet/core/auth"
)

// An Import says what is taken over of what a peer offers. To import is to
// trust: the peer's code runs in the place of the operation, and decides what
// its name, description and schemas say.
//
// Calls of an import are made on the connection to the peer, as this node: who
// called it here is named in forwarded_for, without rights, and a token that
// the caller has shown is not passed on. So whoever may call an import acts
// with this node's rights at the peer. That is why nothing but composition in
// this process reaches it, under the [Authority] of the composing operation,
// until a rule in Expose names what others may call and the scope they need.
type Import struct {
	// Prefix is put before the peer's names: with "lab", its math/add is
	// lab/math/add here. It is one or more components and must not be empty,
	// so that no peer chooses names outside of it.
	Prefix string
	// Operations are patterns of the peer's names, as in scopes: * is one
	// component, ** at the end all that follow. Nil is "**". As in scopes,
	// leading wildcards leave out the namespace admin: name it.
	Operations []string
	// Expose opens imports to other nodes. Of several rules that match the
	// first decides.
	Expose []Exposure
}

// An Exposure makes imports [External] for callers that hold a scope.
type Exposure struct {
	Operations string // a pattern of the names that they have here: "lab/math/*"
	Scope      string // as in Access.Scopes; required
}

// Check reports what is wrong with the Import, without a peer.
func (im Import) Check() error {
	_, err := im.compile()
	return err
}

// Bounds of one import. A peer beyond them is refused.
const (
	maxImported    = 4096     // operations
	maxListed      = 1 << 16  // operations, before the choice among them
	maxDescribed   = 1 << 20  // bytes of one operation's description; the operation alone is refused
	maxDescription = 32 << 20 // bytes of all of them
	maxComponents  = 16       // of a name here; nodes that import each other's imports end there
	listPage       = 512
	schemaCalls    = 8
)

// rules is an Import, compiled.
type rules struct {
	prefix string
	wanted auth.Scopes
	expose []exposure
}

type exposure struct {
	names auth.Scopes
	scope string
}

func (im Import) compile() (*rules, error) {
	r := &rules{prefix: im.Prefix}
	if im.Prefix == "" {
		return nil, errors.New("import: the prefix is missing")
	}
	if err := checkName(im.Prefix + "/x/x"); err != nil {
		return nil, fmt.Errorf("import: prefix %q: %w", clip(im.Prefix, maxName), err)
	}
	if below(im.Prefix, reserved) {
		return nil, fmt.Errorf("import: prefix %q: the namespace %q is reserved for discovery", im.Prefix, reserved)
	}
	patterns := im.Operations
	if patterns == nil {
		patterns = []string{"**"}
	}
	var err error
	if r.wanted, err = namePatterns(patterns...); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	for _, rule := range im.Expose {
		x := exposure{scope: rule.Scope}
		if x.names, err = namePatterns(rule.Operations); err != nil {
			return nil, fmt.Errorf("import: expose: %w", err)
		}
		if rule.Scope == "" {
			return nil, fmt.Errorf("import: expose %q: the scope is missing", rule.Operations)
		}
		if _, err = requiredAction(rule.Scope); err != nil {
			return nil, fmt.Errorf("import: expose %q: %w", rule.Operations, err)
		}
		r.expose = append(r.expose, x)
	}
	return r, nil
}

// namePatterns compiles patterns as the scopes that they are part of.
func namePatterns(patterns ...string) (auth.Scopes, error) {
	scopes := make(auth.Scopes, len(patterns))
	for i, pattern := range patterns {
		var err error
		if scopes[i], err = auth.ParseScope("call:" + pattern); err != nil {
			return nil, fmt.Errorf("operations %q: %w", clip(pattern, maxName), err)
		}
	}
	return scopes, nil
}

func matches(patterns auth.Scopes, name string) bool { return patterns.Allow(auth.Do("call", name)) }

// Import asks the other end what it offers to this node and returns it as
// operations of the provenance [FromCall], sorted by name, for [Peers.Add].
// They work as long as the connection does. Visibility and access are what im
// says, whatever the other end says of its own.
//
// An operation is left out, and the Logger of the Client's Server told why, if
// it is no proper one (its name, type or a schema does not compile), its
// description is beyond 1 MiB, or its name here is that of an operation in the
// Server's Registry. Discovery is never imported. The import as a whole fails
// if im is ill-formed, the connection or ctx ends, the other end offers one
// name twice ([*CollisionError]), more than 4096 operations are chosen or
// 65,536 offered, or their descriptions are more than 32 MiB.
func (c *Client) Import(ctx context.Context, im Import) ([]Operation, error) {
	r, err := im.compile()
	if err != nil {
		return nil, err
	}
	imp := importer{client: c, rules: r}
	if _, err := imp.renew(ctx); err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	entries := imp.entries()
	ops := make([]Operation, 0, len(entries))
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		ops = append(ops, entries[name].op)
	}
	return ops, nil
}

// An importer keeps what one peer offers. It is used by one goroutine.
type importer struct {
	client *Client
	rules  *rules
	known  map[string]found // by the peer's name
	told   atomic.Int64     // refusals in the log
}

// found is an operation that has been looked at.
type found struct {
	listed listed
	entry  *entry // nil: refused
	size   int
}

// renew asks what the peer offers now. Schemas are fetched of what is new, or
// listed in another way than before. After an error nothing has changed.
func (i *importer) renew(ctx context.Context) (changed bool, err error) {
	offered, err := i.list(ctx)
	if err != nil {
		return false, err
	}
	next := make(map[string]found, len(offered))
	var missing []listed
	size := 0
	for _, l := range offered {
		if f, ok := i.known[l.Name]; ok && f.listed == l {
			next[l.Name] = f
			size += f.size
			continue
		}
		missing = append(missing, l)
	}
	fetched, err := i.fetch(ctx, missing, maxDescription-size)
	if err != nil {
		return false, err
	}
	maps.Copy(next, fetched)
	changed = !maps.EqualFunc(i.known, next, func(a, b found) bool { return a.entry == b.entry })
	i.known = next
	return changed, nil
}

// entries returns what was imported, by the name that it has here.
func (i *importer) entries() map[string]*entry {
	all := make(map[string]*entry, len(i.known))
	for _, f := range i.known {
		if f.entry != nil {
			all[f.entry.op.Name] = f.entry
		}
	}
	return all
}

// list returns what the peer offers and the rules want.
func (i *importer) list(ctx context.Context) ([]listed, error) {
	type question struct {
		Limit int    `json:"limit"`
		After string `json:"after,omitempty"`
	}
	type answer struct {
		Operations []json.RawMessage `json:"operations"`
		Next       string            `json:"next"`
	}
	var chosen []listed
	seen, offered := map[string]bool{}, 0
	for after := ""; ; {
		p, err := Call[answer](ctx, i.client, listName, question{listPage, after})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", listName, err)
		}
		if offered += len(p.Operations); offered > maxListed {
			return nil, fmt.Errorf("the peer offers more than %d operations", maxListed)
		}
		for _, raw := range p.Operations {
			l, err := decode[listed](raw)
			if err != nil {
				i.refuse("", fmt.Errorf("its entry in the list: %w", err))
				continue
			}
			l.Name = strings.TrimPrefix(l.Name, "/")
			if seen[l.Name] {
				return nil, &CollisionError{Name: l.Name}
			}
			seen[l.Name] = true
			if err := checkName(l.Name); err != nil {
				i.refuse(l.Name, err)
				continue
			}
			if !below(l.Name, reserved) && matches(i.rules.wanted, l.Name) {
				chosen = append(chosen, l)
			}
		}
		switch {
		case len(chosen) > maxImported:
			return nil, fmt.Errorf("more than %d operations: choose fewer", maxImported)
		case p.Next == "":
			return chosen, nil
		case len(p.Operations) == 0:
			return nil, fmt.Errorf("%s: the page after %q is empty and leads on", listName, clip(after, maxName))
		case p.Next <= after:
			return nil, fmt.Errorf("%s: the page after %q leads back to %q", listName, clip(after, maxName), clip(p.Next, maxName))
		}
		after = p.Next
	}
}

// fetch asks for the schemas of operations, several at a time.
func (i *importer) fetch(ctx context.Context, ops []listed, room int) (map[string]found, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu   sync.Mutex // protects all that the workers share
		all  = make(map[string]found, len(ops))
		next int
		wg   sync.WaitGroup
	)
	for range min(schemaCalls, len(ops)) {
		wg.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if n >= len(ops) || ctx.Err() != nil {
					return
				}
				f, size, known := i.describe(ctx, ops[n])
				mu.Lock()
				if room -= size; room < 0 {
					cancel(fmt.Errorf("the descriptions of the peer's operations are more than %d bytes", maxDescription))
				}
				if known {
					all[ops[n].Name] = f
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := i.client.Err(); err != nil {
		return nil, closedError(err)
	}
	return all, nil
}

// describe asks for one operation's schemas and makes an import of it. It
// reports the size of the answer, and whether there was one to judge.
func (i *importer) describe(ctx context.Context, l listed) (f found, size int, known bool) {
	raw, err := Call[json.RawMessage](ctx, i.client, schemaName, map[string]string{"name": l.Name})
	if err != nil {
		if ctx.Err() == nil && i.client.Err() == nil {
			i.refuse(l.Name, fmt.Errorf("%s: %w", schemaName, err))
		}
		return found{}, 0, false
	}
	f = found{listed: l}
	if len(raw) > maxDescribed {
		err = fmt.Errorf("its description has %d bytes, more than %d", len(raw), maxDescribed)
	} else {
		f.entry, err = i.entry(l.Name, raw)
	}
	if err != nil {
		i.refuse(l.Name, err)
		return f, len(raw), true
	}
	f.size = len(raw)
	return f, len(raw), true
}

func (i *importer) entry(remote string, raw json.RawMessage) (*entry, error) {
	type imported struct { // of a description: how it decides upon access is not read
		Name        string           `json:"name"`
		Type        Type             `json:"op_type"`
		Visibility  Visibility       `json:"visibility"`
		Description string           `json:"description"`
		Input       json.RawMessage  `json:"input_schema"`
		Output      json.RawMessage  `json:"output_schema"`
		Errors      []describedError `json:"error_schemas"`
	}
	d, err := decode[imported](raw)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.TrimPrefix(d.Name, "/") != remote:
		return nil, fmt.Errorf("the description is that of %q", clip(d.Name, maxName))
	case cmp.Or(d.Visibility, External) != External:
		return nil, fmt.Errorf("its visibility is %q", clip(string(d.Visibility), maxCode))
	}
	op := i.rules.operation(remote)
	if strings.Count(op.Name, "/") >= maxComponents {
		return nil, fmt.Errorf("the name here has more than %d components: do nodes import each other's imports?", maxComponents)
	}
	if i.client.server.Registry.find(op.Name) != nil {
		return nil, fmt.Errorf("%s is an operation of this node: choose another prefix", op.Name)
	}
	op.Type, op.Description = d.Type, clip(d.Description, maxMessage)
	op.Input, op.Output, op.Errors = notNull(d.Input), notNull(d.Output), importedErrors(d.Errors)
	forward(&op, i.client, remote)
	return compile(op)
}

// operation says what this node decides about an import.
func (r *rules) operation(remote string) Operation {
	op := Operation{Provenance: FromCall}
	op.Name, op.Visibility = r.prefix+"/"+remote, Internal
	for _, x := range r.expose {
		if matches(x.names, op.Name) {
			op.Visibility, op.Access.Scopes = External, []string{x.scope}
			break
		}
	}
	return op
}

// importedErrors drops what need not be declared, and statuses that are none.
func importedErrors(described []describedError) []ErrorSpec {
	var specs []ErrorSpec
	for _, d := range described {
		if slices.Contains(protocolCodes, d.Code) {
			continue
		}
		spec := ErrorSpec{Code: d.Code, Description: clip(d.Description, maxMessage), Schema: notNull(d.Schema)}
		if s := d.HTTPStatus; s != nil && *s >= 400 && *s <= 599 {
			spec.HTTPStatus = *s
		}
		specs = append(specs, spec)
	}
	return specs
}

func notNull(schema json.RawMessage) json.RawMessage {
	if string(schema) == "null" {
		return nil
	}
	return schema
}

// maxTold bounds what one connection's peer can write into the log.
const maxTold = 64

func (i *importer) refuse(name string, err error) {
	log := i.client.server.logger().With("prefix", i.rules.prefix)
	switch n := i.told.Add(1); {
	case n < maxTold:
		log.Warn("call: operation not imported", "operation", clip(name, maxName), "reason", clip(err.Error(), maxMessage))
	case n == maxTold:
		log.Warn("call: further operations not imported, no more of them are told")
	}
}
