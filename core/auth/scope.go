package auth

import (
	"strings"
	"unicode/utf8"
)

// maxScope bounds one scope's text, in bytes.
const maxScope = 4096

const (
	areaAdmin = "admin"
	areaSSH   = "ssh"
	areaCall  = "call"
	verbAdmin = "admin"
	verbAny   = "*"
)

// Scope is one grant: area:verb[:target], or admin. The package comment lists
// the forms. The zero Scope covers nothing.
type Scope struct {
	area, verb string
	target     target // nil: any target
}

// target is the part of a scope after the second colon, compiled.
type target interface {
	covers(a Action) bool
	String() string
}

// ParseScope reads one scope. Its error is a [*ScopeError].
func ParseScope(s string) (Scope, error) {
	sc, reason := parseScope(s)
	if reason != "" {
		return Scope{}, &ScopeError{Scope: shorten(s), Reason: reason}
	}
	return sc, nil
}

func parseScope(s string) (Scope, string) {
	switch {
	case len(s) > maxScope:
		return Scope{}, "too long"
	case !utf8.ValidString(s):
		return Scope{}, "not UTF-8"
	case s == areaAdmin:
		return Scope{area: areaAdmin}, ""
	}
	area, rest, ok := strings.Cut(s, ":")
	if !isWord(area) {
		return Scope{}, "the area must be lower-case letters, digits and '-'; write area:verb[:target]"
	}
	if area == areaAdmin {
		return Scope{}, "admin stands alone, without a verb"
	}
	if !ok || rest == "" {
		return Scope{}, "the verb is missing; write " + area + ":verb[:target], or " + area + ":* for every ordinary verb"
	}
	if area == areaCall {
		return parseCallScope(rest)
	}
	verb, text, hasTarget := strings.Cut(rest, ":")
	if verb == verbAny {
		if hasTarget {
			return Scope{}, "the verb * takes no target; write one scope a verb"
		}
		return Scope{area: area, verb: verb}, ""
	}
	if !isWord(verb) {
		return Scope{}, "the verb must be lower-case letters, digits and '-', or *"
	}
	if !hasTarget {
		return Scope{area: area, verb: verb}, ""
	}
	if text == "" {
		return Scope{}, "the target is empty; leave the last ':' off to mean any target"
	}
	t, reason := parseTarget(area, verb, text)
	return Scope{area: area, verb: verb, target: t}, reason
}

func parseCallScope(operation string) (Scope, string) {
	if operation == verbAny {
		return Scope{area: areaCall, verb: verbAny}, ""
	}
	if strings.Contains(operation, ":") {
		return Scope{}, "an operation's name has no ':'; write call:OPERATION"
	}
	t, reason := parseNamePattern(operation)
	return Scope{area: areaCall, target: t}, reason
}

func parseTarget(area, verb, text string) (target, string) {
	switch targetKind(area, verb) {
	case kindHost:
		return parseHostPattern(text)
	case kindPath:
		return parsePathPattern(text)
	case kindArgv:
		return parseArgvPattern(text)
	case kindNone:
		return nil, area + ":" + verb + " takes no target"
	default:
		return parseNamePattern(text)
	}
}

// kind says how a target is read.
type kind uint8

const (
	kindNone kind = iota
	kindName
	kindHost
	kindPath
	kindArgv
)

func targetKind(area, verb string) kind {
	switch area {
	case areaSSH:
		switch verb {
		case "forward", "listen":
			return kindHost
		case "exec":
			return kindArgv
		case "streamlocal", "streamlocal-listen":
			return kindPath
		case "shell", "agent":
			return kindNone
		}
	case "sftp", "http":
		return kindPath
	}
	return kindName
}

// String returns the scope in its one canonical spelling, which ParseScope
// reads back as an equal scope; "" for the zero Scope.
func (s Scope) String() string {
	text := s.area
	if s.verb != "" {
		text += ":" + s.verb
	}
	if s.target != nil {
		text += ":" + s.target.String()
	}
	return text
}

// MarshalText writes what String returns.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what ParseScope reads.
func (s *Scope) UnmarshalText(text []byte) error {
	parsed, err := ParseScope(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// IsAdmin reports whether the scope is admin, which covers everything.
func (s Scope) IsAdmin() bool { return s.area == areaAdmin }

func (s Scope) covers(a Action) bool {
	if s.area == areaAdmin {
		return true
	}
	if a.bad || s.area != a.area {
		return false
	}
	if s.verb == verbAny {
		return !a.reserved()
	}
	if s.verb != a.verb {
		return false
	}
	return s.target == nil || s.target.covers(a)
}

// Scopes is a set of grants. Nil and empty grant nothing. A Scopes value is
// read-only once parsed and may be shared between goroutines.
type Scopes []Scope

// ParseScopes reads several scopes. Its error is the first [*ScopeError].
func ParseScopes(texts []string) (Scopes, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	scopes := make(Scopes, 0, len(texts))
	for _, text := range texts {
		s, err := ParseScope(text)
		if err != nil {
			return nil, err
		}
		scopes = append(scopes, s)
	}
	return scopes, nil
}

// Allow reports whether some scope covers the action. It answers false for
// the zero Action, and allocates nothing.
func (s Scopes) Allow(a Action) bool {
	if a.area == "" {
		return false
	}
	for i := range s {
		if s[i].covers(a) {
			return true
		}
	}
	return false
}

// AllowSome reports whether at least one target of area:verb may be covered:
// whether it is worth starting a session in which single targets are then
// asked for with Allow. It grants nothing by itself.
func (s Scopes) AllowSome(area, verb string) bool {
	a := Do(area, verb)
	if a.area == "" {
		return false
	}
	for i := range s {
		if s[i].covers(a) || !a.bad && s[i].area == a.area && s[i].verb == a.verb {
			return true
		}
	}
	return false
}

// Strings returns the canonical spelling of each scope.
func (s Scopes) Strings() []string {
	texts := make([]string, len(s))
	for i := range s {
		texts[i] = s[i].String()
	}
	return texts
}

// isWord reports whether s is an area or a verb: [a-z][a-z0-9-]{0,62}.
func isWord(s string) bool {
	if s == "" || len(s) > 63 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
