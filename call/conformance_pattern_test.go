package call_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// bindings are the values of "$name".
type bindings map[string]any

var placeholder = regexp.MustCompile(`"\$([a-z]+)"`)

func (b bindings) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := b[name[2:len(name)-1]]
		if !ok {
			return name
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return name
		}
		return string(raw)
	})
}

func (b bindings) match(pattern, value any) bool {
	switch want := pattern.(type) {
	case string:
		name, ok := strings.CutPrefix(want, "$")
		if !ok {
			return pattern == value
		}
		_, isString := value.(string)
		if name == "any" || name == "string" && isString {
			return true
		}
		if bound, ok := b[name]; ok {
			return bound == value
		}
		if isString && name != "string" {
			b[name] = value
			return true
		}
		return false
	case []any:
		got, ok := value.([]any)
		return ok && slices.EqualFunc(want, got, b.match)
	case map[string]any:
		got, ok := value.(map[string]any)
		_, more := want["$more"]
		if !ok || !more && len(got) != len(want) {
			return false
		}
		for name, w := range want {
			if g, ok := got[name]; name != "$more" && (!ok || !b.match(w, g)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(pattern, value)
}
