package call

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alkdev/alknet/call/internal/jsontok"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// A gate is an Access, compiled. The zero gate admits whoever is somebody; only
// newGate makes one.
type gate struct {
	public      bool
	all, some   []need
	someSet     bool
	typ, action string   // of the resource; empty if none is asked for
	idPath      []string // names of the members that lead to the resource's id
}

// A need is a scope that an operation asks for.
type need struct {
	scope  string
	action auth.Action
}

func newGate(name string, a Access, idPath string) (gate, error) {
	g := gate{public: a.Public, someSet: a.AnyScope != nil, typ: a.ResourceType, action: a.ResourceAction}
	if a.Public {
		if len(a.Scopes) > 0 || g.someSet || g.typ != "" || g.action != "" || idPath != "" {
			return gate{}, errors.New("access: Public stands alone")
		}
		return g, nil
	}
	if len(a.Scopes) == 0 && !g.someSet && g.typ == "" && g.action == "" {
		a.Scopes = []string{"call:" + name}
	}
	var err error
	if g.all, err = parseNeeds(a.Scopes); err != nil {
		return gate{}, err
	}
	if g.some, err = parseNeeds(a.AnyScope); err != nil {
		return gate{}, err
	}
	if err = g.checkResource(); err != nil {
		return gate{}, err
	}
	if idPath == "" {
		return g, nil
	}
	if g.typ == "" {
		return gate{}, errors.New("access: ResourceIDPath without ResourceType")
	}
	g.idPath, err = parseIDPath(idPath)
	return g, err
}

func parseNeeds(scopes []string) ([]need, error) {
	needs := make([]need, len(scopes))
	for i, text := range scopes {
		action, err := requiredAction(text)
		if err != nil {
			return nil, fmt.Errorf("access: %w", err)
		}
		needs[i] = need{text, action}
	}
	return needs, nil
}

// requiredAction is what a caller must be allowed to do to hold a scope.
func requiredAction(text string) (auth.Action, error) {
	scope, err := auth.ParseScope(text)
	if err != nil {
		return auth.Action{}, err
	}
	if strings.Contains(text, "*") {
		return auth.Action{}, fmt.Errorf("scope %q: a pattern grants and cannot be required; name one thing", text)
	}
	area, verb, _ := strings.Cut(text, ":")
	action := auth.Do(area, verb)
	if verb, target, ok := strings.Cut(verb, ":"); ok {
		action = auth.DoName(area, verb, target)
	}
	if scope.IsAdmin() {
		action = auth.Do("admin", "admin")
	}
	if !(auth.Scopes{scope}).Allow(action) {
		return auth.Action{}, fmt.Errorf("scope %q: only targets that are names can be required", text)
	}
	return action, nil
}

func (g *gate) checkResource() error {
	if g.typ == "" && g.action == "" {
		return nil
	}
	if g.typ == "" || g.action == "" {
		return errors.New("access: ResourceType and ResourceAction are set both or neither")
	}
	for _, scope := range []string{g.typ + ":" + g.action, g.typ + ":" + g.action + ":x"} {
		if strings.Count(g.typ+g.action, ":") > 0 {
			return fmt.Errorf("access: ResourceType %q and ResourceAction %q contain no ':'", g.typ, g.action)
		}
		if _, err := requiredAction(scope); err != nil {
			return fmt.Errorf("access: a resource is a scope's area and its action a verb: %w", err)
		}
	}
	return nil
}

// parseIDPath reads "$.a.b" and "$/a/b".
func parseIDPath(path string) ([]string, error) {
	bad := fmt.Errorf("ResourceIDPath %q: write $.name.name or $/name/name", clip(path, maxName))
	if len(path) < 3 || path[0] != '$' || path[1] != '.' && path[1] != '/' {
		return nil, bad
	}
	names := strings.Split(path[2:], path[1:2])
	for i, name := range names {
		if path[1] == '/' {
			if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(name), "~") {
				return nil, bad
			}
			names[i] = strings.NewReplacer("~0", "~", "~1", "/").Replace(name)
		} else if strings.ContainsFunc(name, func(c rune) bool { return c != '$' && notInName(c) }) {
			return nil, bad
		}
		if name == "" {
			return nil, bad
		}
	}
	return names, nil
}

// allow checks one call; nil admits it.
func (g *gate) allow(owners Ownership, id core.Identity, input []byte) *Error {
	if failure := g.allowScopes(id); failure != nil || g.public || g.typ == "" {
		return failure
	}
	resource, known := textAt(input, g.idPath)
	switch {
	case owners != nil && known:
		if !owners.Owns(id, g.typ, resource, g.action) {
			return Errorf(CodeForbidden, "not owner of resource: %s/%s", g.typ, clip(resource, maxName))
		}
	case owners != nil:
		if !owners.OwnsAny(id, g.typ) {
			return Errorf(CodeForbidden, "no owned resources of type: %s", g.typ)
		}
	case known:
		if !id.Allow(auth.DoName(g.typ, g.action, resource)) {
			return g.missingResource()
		}
	case !id.Allow(auth.Do(g.typ, g.action)):
		return g.missingResource()
	}
	return nil
}

// visible reports whether some input exists with which id could be admitted.
func (g *gate) visible(owners Ownership, id core.Identity) bool {
	switch {
	case g.allowScopes(id) != nil:
		return false
	case g.public || g.typ == "":
		return true
	case owners != nil:
		return owners.OwnsAny(id, g.typ)
	}
	return id.AllowSome(g.typ, g.action)
}

func (g *gate) allowScopes(id core.Identity) *Error {
	if g.public {
		return nil
	}
	if id.IsZero() || !id.Expires.IsZero() && id.Expired(time.Now()) {
		return Errorf(CodeForbidden, authenticationRequired)
	}
	for i := range g.all {
		if !id.Allow(g.all[i].action) {
			return Errorf(CodeForbidden, "missing required scope: %s", g.all[i].scope)
		}
	}
	if !g.someSet {
		return nil
	}
	names := make([]string, len(g.some))
	for i := range g.some {
		if id.Allow(g.some[i].action) {
			return nil
		}
		names[i] = g.some[i].scope
	}
	return Errorf(CodeForbidden, "missing required scope (any of: %s)", strings.Join(names, ", "))
}

func (g *gate) missingResource() *Error {
	return Errorf(CodeForbidden, "missing resource: %s/%s", g.typ, g.action)
}

// textAt is the string at a path of member names, if there is one.
func textAt(input []byte, path []string) (string, bool) {
	if len(path) == 0 {
		return "", false
	}
	var sc jsontok.Scanner
	sc.Reset(input)
	for _, name := range path {
		if !enter(&sc, name) {
			return "", false
		}
	}
	if sc.Kind() != jsontok.String {
		return "", false
	}
	text, err := sc.Text()
	return text.String(), err == nil
}

// enter goes to the value of a member of the object that comes next.
func enter(sc *jsontok.Scanner, name string) bool {
	if sc.Kind() != jsontok.Object {
		return false
	}
	members, err := sc.Object()
	for err == nil {
		found, more, e := sc.Member(&members)
		if e != nil || !more {
			return false
		}
		if found.Is(name) {
			return true
		}
		_, err = sc.Skip()
	}
	return false
}
