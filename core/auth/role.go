package auth

import (
	"fmt"
	"maps"
	"slices"
)

// Roles names sets of scopes, so that peers and tokens can share them. A role
// holds scopes only, never other roles. Nil holds none.
type Roles map[string][]string

// Expand parses what an entry was granted: its own scopes and those of the
// roles it names. A role that does not exist is an error, never ignored.
func (r Roles) Expand(roles, scopes []string) (Scopes, error) {
	all, err := ParseScopes(scopes)
	if err != nil {
		return nil, err
	}
	for _, name := range roles {
		texts, ok := r[name]
		if !ok {
			return nil, fmt.Errorf("role %q is not defined", name)
		}
		more, err := ParseScopes(texts)
		if err != nil {
			return nil, &EntryError{Kind: "role", Name: name, Err: err}
		}
		all = append(all, more...)
	}
	return all, nil
}

// Validate checks every role's name and scopes, used or not. Its error is an
// [*EntryError].
func (r Roles) Validate() error {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if err := CheckName(name); err != nil {
			return &EntryError{Kind: "role", Name: name, Err: err}
		}
		if _, err := ParseScopes(r[name]); err != nil {
			return &EntryError{Kind: "role", Name: name, Err: err}
		}
	}
	return nil
}
