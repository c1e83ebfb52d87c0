package call

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

const (
	listName      = "services/list"
	schemaName    = "services/schema"
	listPeersName = "services/list-peers"
)

// discovery makes the operations of docs/wire/call.md, section 7. They answer
// with what the caller may call, and so does nobody harm by being Public.
func discovery() []*entry {
	specs := []Operation{
		{Spec: Spec{
			Name:        listName,
			Description: "Lists the operations of this node that the caller may call, sorted by name.",
			Input:       json.RawMessage(listInput),
		}, Handle: discover(list)},
		{Spec: Spec{
			Name:        schemaName,
			Description: "Describes one operation: its schemas, its errors and whom it admits.",
			Input:       json.RawMessage(schemaInput),
		}, Handle: discover(describe)},
		{Spec: Spec{
			Name:        listPeersName,
			Description: `Lists what this node and its peers offer to the caller, by peer; "local" is this node.`,
		}, Handle: discover(listPeers)},
	}
	entries := make([]*entry, len(specs))
	for i, op := range specs {
		op.Type, op.Access.Public = TypeQuery, true
		e, err := newEntry(op)
		if err != nil {
			panic(err) // a constant of this file is wrong
		}
		entries[i] = e
	}
	return entries
}

// The schemas say what is understood. Whatever old clients send instead of an
// object is ignored.
const (
	listInput = `{"properties":{
		"limit":{"type":"integer","minimum":1,"description":"how many entries at most; all if absent"},
		"after":{"type":"string","description":"the \"next\" of the answer before"}}}`
	schemaInput = `{"type":"object","required":["name"],"properties":{
		"name":{"type":"string","description":"of the operation, with or without a leading slash"}}}`
)

func discover[I, O any](fn func(*scope, I) (O, *Error)) func(context.Context, json.RawMessage) (json.RawMessage, error) {
	return func(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
		in, err := decodeInput[I](input)
		if err != nil {
			return nil, err
		}
		out, failure := fn(RequestFrom(ctx).scope, in)
		if failure != nil {
			return nil, &refusal{failure}
		}
		return encode(out)
	}
}

// A listed operation, as services/list writes it.
type listed struct {
	Name        string `json:"name"`
	Namespace   string `json:"namespace"`
	Type        Type   `json:"op_type"`
	Description string `json:"description,omitempty"`
}

func listing(entries []*entry) []listed {
	all := make([]listed, len(entries))
	for i, e := range entries {
		all[i] = listed{e.op.Name, e.op.Namespace(), e.op.Type, e.op.Description}
	}
	slices.SortFunc(all, func(a, b listed) int { return strings.Compare(a.Name, b.Name) })
	return all
}

type page struct {
	Operations []listed `json:"operations"`
	Next       string   `json:"next,omitempty"`
	Protocol   features `json:"protocol"`
}

// features are what this end does beyond what every peer does.
type features struct {
	// Concurrent says that requests on one stream run at the same time.
	Concurrent bool `json:"concurrent"`
}

func list(s *scope, input json.RawMessage) (page, *Error) {
	var (
		limit float64 // a JSON integer has any size
		after string
	)
	if asked, err := decode[map[string]json.RawMessage](input); err == nil {
		_ = json.Unmarshal(asked["limit"], &limit)
		_ = json.Unmarshal(asked["after"], &after)
	}
	all := listing(s.visible())
	from, found := slices.BinarySearchFunc(all, after, func(l listed, after string) int { return strings.Compare(l.Name, after) })
	if found {
		from++
	}
	p := page{Operations: all[from:], Protocol: features{Concurrent: true}}
	if limit > 0 && limit < float64(len(p.Operations)) {
		p.Operations = p.Operations[:int(limit)]
		p.Next = p.Operations[int(limit)-1].Name
	}
	return p, nil
}

// visibleOwn are the operations of this node that the caller may call.
func (s *scope) visibleOwn() []*entry {
	var own []*entry
	for name := range maps.Keys(s.server.Registry.external) {
		if e := s.server.lookup(name); e != nil && s.mayCall(e) {
			own = append(own, e)
		}
	}
	return own
}

// visible adds to them what rules expose of peers.
func (s *scope) visible() []*entry {
	all := s.visibleOwn()
	for _, peer := range s.server.Peers.names() {
		all = append(all, s.visibleOf(peer)...)
	}
	return all
}

// visibleOf leaves out what an operation of this node hides.
func (s *scope) visibleOf(peer string) []*entry {
	return slices.DeleteFunc(s.server.Peers.exposedBy(peer), func(e *entry) bool {
		return s.server.lookup(e.op.Name) != e || !s.mayCall(e)
	})
}

func (s *scope) mayCall(e *entry) bool {
	return e.gate.visible(s.server.Ownership, s.request.Identity)
}

// A description is what services/schema answers with.
type description struct {
	Name           string           `json:"name"`
	Namespace      string           `json:"namespace"`
	Type           Type             `json:"op_type"`
	Visibility     Visibility       `json:"visibility"`
	Description    string           `json:"description,omitempty"`
	Input          json.RawMessage  `json:"input_schema"`
	Output         json.RawMessage  `json:"output_schema"`
	Errors         []describedError `json:"error_schemas"`
	Access         describedAccess  `json:"access_control"`
	ResourceIDPath string           `json:"resource_id_path,omitempty"`
}

type describedError struct {
	Code        string          `json:"code"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
	HTTPStatus  *int            `json:"http_status"`
}

type describedAccess struct {
	Scopes         []string  `json:"required_scopes"`
	AnyScope       *[]string `json:"required_scopes_any"`
	ResourceType   *string   `json:"resource_type"`
	ResourceAction *string   `json:"resource_action"`
}

func describe(s *scope, in struct {
	Name string `json:"name"`
}) (description, *Error) {
	name := strings.TrimPrefix(in.Name, "/")
	e := s.server.lookup(name)
	if e == nil || !s.mayCall(e) {
		return description{}, notFound(name)
	}
	op := &e.op
	d := description{
		Name: op.Name, Namespace: op.Namespace(), Type: op.Type, Visibility: op.Visibility,
		Description: op.Description, ResourceIDPath: op.ResourceIDPath,
		Input: orAny(op.Input), Output: orAny(op.Output),
		Errors: make([]describedError, len(op.Errors)),
		Access: e.gate.describe(),
	}
	for i, spec := range op.Errors {
		d.Errors[i] = describedError{Code: spec.Code, Description: spec.Description, Schema: orAny(spec.Schema)}
		if spec.HTTPStatus != 0 {
			d.Errors[i].HTTPStatus = &spec.HTTPStatus
		}
	}
	return d, nil
}

// describe writes what is really asked for, the scope of the zero Access too.
func (g *gate) describe() describedAccess {
	d := describedAccess{Scopes: make([]string, len(g.all))}
	for i, n := range g.all {
		d.Scopes[i] = n.scope
	}
	if g.someSet {
		some := make([]string, len(g.some))
		for i, n := range g.some {
			some[i] = n.scope
		}
		d.AnyScope = &some
	}
	if g.typ != "" {
		d.ResourceType, d.ResourceAction = &g.typ, &g.action
	}
	return d
}

func orAny(schema json.RawMessage) json.RawMessage {
	if len(schema) == 0 {
		return json.RawMessage(`{}`)
	}
	return schema
}

type offers struct {
	Peers []offer `json:"peers"`
}

type offer struct {
	Peer       string   `json:"peer_id"`
	Operations []listed `json:"operations"`
}

func listPeers(s *scope, _ json.RawMessage) (offers, *Error) {
	var all offers
	add := func(peer string, entries []*entry) {
		if len(entries) > 0 {
			all.Peers = append(all.Peers, offer{peer, listing(entries)})
		}
	}
	add(localPeer, s.visibleOwn())
	for _, name := range slices.Sorted(slices.Values(s.server.Peers.names())) {
		add(name, s.visibleOf(name))
	}
	return all, nil
}
