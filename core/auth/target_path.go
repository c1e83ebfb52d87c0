package auth

import (
	"path"
	"strings"
	"unicode"
)

// pathPattern covers one cleaned absolute path and everything below it.
type pathPattern string

func parsePathPattern(s string) (target, string) {
	if !strings.HasPrefix(s, "/") {
		return nil, "the path must be absolute"
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return nil, "the path has control characters"
	}
	for part := range strings.SplitSeq(s, "/") {
		switch part {
		case "..":
			return nil, "the path must not contain .."
		case "*", "**":
			return nil, "a path covers everything below it; leave the * off"
		}
	}
	return pathPattern(path.Clean(s)), ""
}

func (p pathPattern) covers(a Action) bool {
	if a.kind != kindPath {
		return false
	}
	rest, ok := strings.CutPrefix(a.text, string(p))
	return ok && (rest == "" || rest[0] == '/' || p == "/")
}

func (p pathPattern) String() string { return string(p) }
