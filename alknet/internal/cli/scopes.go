package cli

import (
	"slices"
	"strings"
)

// verbs are those of the areas that this program serves, so that a typing
// mistake is not stored as a grant of nothing. Other areas belong to handlers
// of somebody else's, and "http" and "call" take any.
func verbs(area string) []string {
	switch area {
	case "ssh":
		return []string{"exec", "shell", "forward", "listen", "agent", "streamlocal", "streamlocal-listen"}
	case "sftp", "fs":
		return []string{"read", "write"}
	case "git":
		return []string{"read", "write", "admin"}
	case "dns":
		return []string{"publish"}
	case "msg":
		return []string{"send", "relay"}
	}
	return nil
}

func checkVerb(scope string) error {
	area, rest, _ := strings.Cut(scope, ":")
	verb, _, _ := strings.Cut(rest, ":")
	known := verbs(area)
	if known == nil || verb == "*" || slices.Contains(known, verb) {
		return nil
	}
	return usagef("scope %q: %q has no verb %q: it has %s", scope, area, verb, strings.Join(known, ", "))
}

func knownArea(scope string) bool {
	area, _, _ := strings.Cut(scope, ":")
	return area == "admin" || area == "call" || area == "http" || verbs(area) != nil
}
