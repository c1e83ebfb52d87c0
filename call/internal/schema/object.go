package schema

import (
	"encoding/json"
	"strings"
)

// An object is a schema in the making, its members in order. Nil accepts
// everything.
type object []pair

type pair struct{ key, value string }

func (o object) get(key string) string {
	for _, p := range o {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

func (o *object) set(key, value string) {
	for i := range *o {
		if (*o)[i].key == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, pair{key, value})
}

func (o object) nullable() object {
	switch typ := o.get("type"); {
	case typ == "" && o.get("$ref") != "":
		return object{{"anyOf", "[" + o.String() + `,{"type":"null"}]`}}
	case typ != "" && typ[0] == '"':
		o.set("type", "["+typ+`,"null"]`)
	}
	return o
}

func (o object) String() string {
	if o == nil {
		return "true"
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(p.key) + ":" + p.value)
	}
	b.WriteByte('}')
	return b.String()
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always have a form
	}
	return string(b)
}
