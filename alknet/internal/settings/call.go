package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
)

// Call says which operations of other nodes are taken over.
type Call struct {
	Imports []Import `toml:"imports"`
}

// Import is what is taken over of one node, as in call.Import.
type Import struct {
	Node       string     `toml:"node"`       // a saved name, or an address as package dial parses it
	Name       string     `toml:"name"`       // among the node's peers; default: the saved name
	Prefix     string     `toml:"prefix"`     // default: the name
	Operations []string   `toml:"operations"` // patterns of names there; default: all
	Expose     []Exposure `toml:"expose"`
}

// Exposure opens imports to callers that hold a scope.
type Exposure struct {
	Operations []string `toml:"operations"` // patterns of names here
	Scope      string   `toml:"scope"`
}

// Config is the form that package call takes.
func (i Import) Config() call.Import {
	c := call.Import{Prefix: i.Prefix, Operations: i.Operations}
	for _, x := range i.Expose {
		for _, pattern := range x.Operations {
			c.Expose = append(c.Expose, call.Exposure{Operations: pattern, Scope: x.Scope})
		}
	}
	return c
}

func (c *Call) defaults() {
	for n := range c.Imports {
		i := &c.Imports[n]
		if i.Name == "" && dial.ValidName(i.Node) {
			i.Name = i.Node
		}
		if i.Prefix == "" {
			i.Prefix = i.Name
		}
	}
}

// An importError is the fault of one of the imports.
type importError struct {
	entry int // from 0
	err   error
}

func (e *importError) Error() string {
	return fmt.Sprintf("call.imports entry %d: %v", e.entry+1, e.err)
}

func (e *importError) Unwrap() error { return e.err }

func (c *Call) check() error {
	for n, i := range c.Imports {
		err := i.check()
		for _, other := range c.Imports[:n] {
			switch {
			case err != nil:
			case other.Name == i.Name:
				err = fmt.Errorf("the name %q is another import's: set name", i.Name)
			case below(i.Prefix, other.Prefix) || below(other.Prefix, i.Prefix):
				err = fmt.Errorf("the prefixes %q and %q overlap: give each import a prefix of its own", other.Prefix, i.Prefix)
			}
		}
		if err != nil {
			return &importError{n, err}
		}
	}
	return nil
}

// below reports whether a name begins with all components of prefix.
func below(name, prefix string) bool { return strings.HasPrefix(name+"/", prefix+"/") }

func (i Import) check() error {
	if i.Node == "" {
		return errors.New("node is missing: a saved name, or alknet://<node-id>@host:port")
	}
	if !dial.ValidName(i.Node) {
		if _, err := dial.ParseTarget(i.Node); err != nil {
			return fmt.Errorf("node: %w", err)
		}
	}
	if i.Name == "" {
		return errors.New("name is missing: node is no saved name that could take its place")
	}
	if err := auth.CheckName(i.Name); err != nil {
		return fmt.Errorf("name %q: %w", i.Name, err)
	}
	if i.Name == "local" {
		return errors.New(`the name "local" stands for this node: choose another`)
	}
	if space, _, _ := strings.Cut(i.Prefix, "/"); space == "node" || space == "local" {
		return fmt.Errorf("prefix %q: the namespace %q is this node's own", i.Prefix, space)
	}
	if i.Operations != nil && len(i.Operations) == 0 {
		return errors.New("operations is empty: leave it out to import all")
	}
	for _, x := range i.Expose {
		if len(x.Operations) == 0 {
			return errors.New("expose: operations is missing")
		}
		for _, pattern := range x.Operations {
			if !strings.HasPrefix(pattern, i.Prefix+"/") {
				return fmt.Errorf("expose: operations %q: the names here begin with %q", pattern, i.Prefix+"/")
			}
		}
	}
	return i.Config().Check()
}

// importHeader finds the header of an import in the file's text; 0 if the
// imports are written otherwise.
func importHeader(raw []byte, entry int) (line, column int) {
	var p unstable.Parser
	for p.Reset(raw); p.NextExpression(); {
		header := p.Expression()
		if header.Kind != unstable.ArrayTable {
			continue
		}
		var names []string
		var at unstable.Range
		for key := header.Key(); key.Next(); {
			if names == nil {
				at = key.Node().Raw
			}
			names = append(names, string(key.Node().Data))
		}
		if !slices.Equal(names, []string{"call", "imports"}) {
			continue
		}
		if entry--; entry < 0 {
			start := p.Shape(at).Start
			return start.Line, start.Column
		}
	}
	return 0, 0
}
