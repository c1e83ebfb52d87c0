package auth

import (
	"strings"
	"unicode"
)

// namePattern covers names by component.
type namePattern string

func parseNamePattern(s string) (target, string) {
	if reason := checkName(s); reason != "" {
		return nil, reason
	}
	for name, rest, more := s, "", true; more; name = rest {
		var part string
		part, rest, more = strings.Cut(name, "/")
		switch {
		case part == "**" && more:
			return nil, "** must be the last component"
		case part != "*" && part != "**" && strings.Contains(part, "*"):
			return nil, "* must be a whole component, and ** the last one"
		}
	}
	return namePattern(s), ""
}

func checkName(s string) (reason string) {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "the name has control characters"
	}
	for part := range strings.SplitSeq(s, "/") {
		switch part {
		case "":
			return "the name is empty, or begins, ends or has a doubled '/'"
		case ".", "..":
			return "the name has a component . or .."
		}
	}
	return ""
}

// isAdminName reports whether an operation belongs to the admin namespace,
// which no leading wildcard covers.
func isAdminName(name string) bool {
	return name == verbAdmin || strings.HasPrefix(name, verbAdmin+"/")
}

func (p namePattern) covers(a Action) bool {
	if a.kind != kindName {
		return false
	}
	if a.area == areaCall && p[0] == '*' && isAdminName(a.text) {
		return false
	}
	pattern, name := string(p), a.text
	for {
		want, patternRest, patternMore := strings.Cut(pattern, "/")
		if want == "**" {
			return true
		}
		got, nameRest, nameMore := strings.Cut(name, "/")
		if want != "*" && want != got || patternMore != nameMore {
			return false
		}
		if !patternMore {
			return true
		}
		pattern, name = patternRest, nameRest
	}
}

func (p namePattern) String() string { return string(p) }
