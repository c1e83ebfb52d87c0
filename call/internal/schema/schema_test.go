package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/call/internal/jsontok"
	"github.com/alkdev/alknet/call/internal/schema"
)

func compile(t testing.TB, raw string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return s
}

func TestReasons(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct{ schema, value, want string }{
		{`{"type":"integer"}`, `"x"`, `the value must be an integer`},
		{`{"type":["integer","null"]}`, `1.5`, `the value must be null or an integer`},
		{`{"properties":{"a":{"items":{"type":"integer"}}}}`, `{"a":[1,"b"]}`, `/a/1: must be an integer`},
		{`{"properties":{"a/b~c":{"type":"null"}}}`, `{"a/b~c":1}`, `/a~1b~0c: must be null`},
		{`{"properties":{"a":{"type":"null"}}}`, `{"\u0061":1}`, `/a: must be null`},
		{`{"required":["a","b"]}`, `{"a":1}`, `the value lacks the member "b"`},
		{`{"required":["\""]}`, `{}`, `the value lacks the member "\""`},
		{`{"properties":{"a":true},"additionalProperties":false}`, `{"b":1}`, `/b: is a member that is not known`},
		{`{"additionalProperties":false}`, `{"` + long + `":1}`, `/` + long[:37] + `...: is a member that is not known`},
		{`{"patternProperties":{"^a":true},"additionalProperties":false}`, `{"ab":1,"ba":1}`, `/ba: is a member that is not known`},
		{`{"additionalProperties":{"type":"string"}}`, `{"b":1}`, `/b: must be a string`},
		{`{"enum":["a",1,{"b":null}]}`, `2`, `the value must be one of "a", 1, {"b":null}`},
		{`{"const":"` + long + `"}`, `2`, `the value must be "` + long[:36] + `...`},
		{`{"minimum":5}`, `4`, `the value must be at least 5`},
		{`{"exclusiveMaximum":5e1}`, `50.0`, `the value must be less than 5e1`},
		{`{"multipleOf":0.01}`, `1.005`, `the value must be a multiple of 0.01`},
		{`{"minLength":2}`, `"\ud83d\ude00"`, `the value must have at least 2 characters`},
		{`{"maxLength":1}`, `"éé"`, `the value must have at most 1 character`},
		{`{"pattern":"^a+$"}`, `"ab"`, `the value must match the pattern "^a+$"`},
		{`{"minItems":1}`, `[]`, `the value must have at least 1 item`},
		{`{"maxProperties":0}`, `{"a":1}`, `the value must have at most 0 members`},
		{`{"uniqueItems":true}`, `[1,{"a":1,"b":[2]},2,{"b":[2.0],"a":1e0}]`, `the value must not have equal items, as 1 and 3 are`},
		{`{"contains":{"type":"null"}}`, `[1]`, `the value must have at least 1 matching item`},
		{`{"propertyNames":{"maxLength":1}}`, `{"ab":1}`, `/ab: is a member whose name must have at most 1 character`},
		{`{"items":false}`, `[1]`, `/0: is not allowed here`},
		{`{"not":{"type":"null"}}`, `null`, `the value is a value that the schema excludes`},
		{`{"anyOf":[{"type":"null"},{"properties":{"a":{"type":"null"}}}]}`, `{"a":1}`, `/a: must be null (or match another of 2 alternatives)`},
		{`{"oneOf":[{"type":"integer"},{"minimum":0}]}`, `1`, `the value must match one, not 2, of 2 alternatives`},
		{`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `the value lacks the member "b"`},
		{`{"$ref":"#/x","x":{"$ref":"#/y"},"y":{"type":"null"}}`, `1`, `the value must be null`},
		{`{"unevaluatedProperties":false}`, `{"a":1}`, `/a: is a member that is not known`},
		{`{"allOf":[{"prefixItems":[true]}],"unevaluatedItems":{"type":"null"}}`, `["a",null,1,2]`, `/2: must be null`},
		{`{"anyOf":[{"properties":{"a":{"const":1}}},{"required":["b"]}],"unevaluatedProperties":{"maximum":18446744073709551617}}`, `{"a":2,"b":18446744073709551618}`, `/b: must be at most 18446744073709551617`},
	} {
		err := compile(t, tt.schema).Validate([]byte(tt.value))
		var fault *schema.Error
		if !errors.As(err, &fault) || err.Error() != tt.want {
			t.Errorf("%s %.60s:\n got %v\nwant %s", tt.schema, tt.value, err, tt.want)
		}
	}
}

func TestExactNumbers(t *testing.T) {
	for _, tt := range []struct {
		schema, value string
		valid         bool
	}{
		{`{"maximum":9007199254740992}`, `9007199254740993`, false},
		{`{"maximum":9007199254740993}`, `9007199254740993`, true},
		{`{"const":18446744073709551617}`, `18446744073709551616`, false},
		{`{"enum":[1e400]}`, `1e400`, true},
		{`{"enum":[1e400]}`, `1e401`, false},
		{`{"const":1}`, `1.0`, true},
		{`{"const":0}`, `-0.0e5`, true},
		{`{"const":100}`, `1E+2`, true},
		{`{"const":0.1}`, `0.10000000000000000001`, false},
		{`{"const":-0.001}`, `-1e-3`, true},
		{`{"type":"integer"}`, `1e999999999`, true},
		{`{"type":"integer"}`, `1e-999999999`, false},
		{`{"type":"integer"}`, `0e-999999999`, true},
		{`{"type":"integer"}`, `123.4500e2`, true},
		{`{"type":"integer"}`, `123.456e2`, false},
		{`{"type":"integer"}`, `120e-1`, true},
		{`{"type":"integer"}`, `125e-1`, false},
		{`{"minimum":1e999999999}`, `1e999999998`, false},
		{`{"minimum":-1e999999999}`, `-1e1000000000`, false},
		{`{"exclusiveMinimum":0}`, `1e-9999999999999999999999`, true},
		{`{"exclusiveMinimum":0}`, `0e9999999999999999999999`, false},
		{`{"multipleOf":7}`, `7e999999999`, true},
		{`{"multipleOf":7}`, `1e999999999`, false},
		{`{"multipleOf":0.1}`, `0.3`, true},
		{`{"multipleOf":1e-999999999}`, `1`, true},
		{`{"multipleOf":999999999999999999}`, `1999999999999999998`, true},
		{`{"multipleOf":999999999999999999}`, `1999999999999999997`, false},
		{`{"multipleOf":10}`, `25`, false},
		{`{"minLength":1e999999999}`, `"a"`, false},
		{`{"maxLength":1e999999999}`, `"a"`, true},
		{`{"maxItems":2.0}`, `[1,2,3]`, false},
		{`{"uniqueItems":true}`, `[1e999999999,1e999999998]`, true},
	} {
		if err := compile(t, tt.schema).Validate([]byte(tt.value)); (err == nil) != tt.valid {
			t.Errorf("%s %s: %v", tt.schema, tt.value, err)
		}
	}
}

func TestNotCompiled(t *testing.T) {
	deep := strings.Repeat(`{"not":`, 128) + `true` + strings.Repeat("}", 128)
	var many strings.Builder
	for i := range 10_001 {
		fmt.Fprintf(&many, `,"%d":{}`, i)
	}
	doubling := `{"$ref":"#/$defs/0","$defs":{"10":{}`
	for i := range 10 {
		doubling += fmt.Sprintf(`,"%d":{"allOf":[{"$ref":"#/$defs/%d"},{"$ref":"#/$defs/%d"}]}`, i, i+1, i+1)
	}
	names := `{"$defs":{"0":{}`
	for i := range 9 {
		names += fmt.Sprintf(`,"n%d":{"$dynamicAnchor":"n%d","$defs":{"r":{"$dynamicRef":"#n%d"}}}`, i, i, i)
	}
	names += "}}"
	scopes := `{"$defs":{`
	for i := range 8 {
		scopes += fmt.Sprintf(`"r%d":{"$id":"r%d","$defs":{"a":{"$dynamicAnchor":"n%d"},"r":{"$dynamicRef":"#n%d"}},"properties":{`, i, i, i, i)
		for j := range 8 {
			scopes += fmt.Sprintf(`"r%d":{"$ref":"r%d"},"s%d":{},`, j, j, j)
		}
		scopes += `"t":{}}},`
	}
	scopes += `"u":{}}}`
	for _, tt := range []struct{ name, schema, reason string }{
		{"no JSON", `{`, "read schema"},
		{"number", `1`, "an object or a boolean"},
		{"nested number", `{"items":1}`, "an object or a boolean"},
		{"duplicate keyword", `{"type":"null","type":"null"}`, "two members"},
		{"too deep", deep + `]`, "after"},
		{"unknown type", `{"type":"float"}`, "not a type"},
		{"type of a wrong kind", `{"type":1}`, "type must be"},
		{"no types", `{"type":[]}`, "type must be"},
		{"negative count", `{"minLength":-1}`, "minLength must be"},
		{"fractional count", `{"minLength":1.5}`, "minLength must be"},
		{"limit in a string", `{"minimum":"1"}`, "minimum must be"},
		{"zero divisor", `{"multipleOf":0}`, "above 0"},
		{"negative divisor", `{"multipleOf":-1}`, "above 0"},
		{"long divisor", `{"multipleOf":1.234567890123456789}`, "18 digits"},
		{"required", `{"required":"a"}`, "array of strings"},
		{"required numbers", `{"required":[1]}`, "array of strings"},
		{"properties", `{"properties":[]}`, "object of schemas"},
		{"allOf", `{"allOf":{}}`, "array of schemas"},
		{"empty anyOf", `{"anyOf":[]}`, "array of schemas"},
		{"enum", `{"enum":1}`, "an array"},
		{"pattern", `{"pattern":"a(?=b)"}`, "RE2"},
		{"patternProperties", `{"patternProperties":{"(":true}}`, "RE2"},
		{"dependentRequired", `{"dependentRequired":{"a":"b"}}`, "arrays of strings"},
		{"dependentRequired itself", `{"dependentRequired":[]}`, "arrays of strings"},
		{"remote reference", `{"$ref":"https://example.com/s.json"}`, "nothing is fetched"},
		{"the meta-schema", `{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "nothing is fetched"},
		{"file", `{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`, "nothing is fetched"},
		{"remote dynamic reference", `{"$dynamicRef":"other.json#x"}`, "nothing is fetched"},
		{"dangling reference", `{"$ref":"#/$defs/a"}`, "leads to no schema"},
		{"dangling anchor", `{"$ref":"#a"}`, "leads to no schema"},
		{"reference to a number", `{"$ref":"#/minimum","minimum":1}`, "leads to no schema"},
		{"reference beyond an array", `{"$ref":"#/allOf/7","allOf":[{}]}`, "leads to no schema"},
		{"no reference", `{"$ref":"%zz"}`, "URI reference"},
		{"reference of a wrong kind", `{"$ref":1}`, "$ref must be"},
		{"endless", `{"$ref":"#"}`, "without end"},
		{"endless through others", `{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"type":"null"},{"not":{"$ref":"#"}}]}}}`, "without end"},
		{"endless where unused", `{"$defs":{"a":{"$ref":"#/$defs/a"}}}`, "without end"},
		{"endless dynamically", `{"$dynamicAnchor":"a","allOf":[{"$dynamicRef":"#a"}]}`, "without end"},
		{"endless in one of two scopes", `{"$id":"a","$dynamicAnchor":"x","$ref":"b","$defs":{"b":{"$id":"b","anyOf":[{"$dynamicRef":"#x"}],"$defs":{"x":{"$dynamicAnchor":"x"}}}}}`, "without end"},
		{"names of dynamic references", names, "more than 8 names"},
		{"subschemas in many scopes", scopes, "$dynamicAnchor that"},
		{"very many for one value", doubling + "}}", "apply to one value"},
		{"many subschemas", `{"properties":{` + many.String()[1:] + `}}`, "more than 10000"},
		{"anchor twice", `{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}`, "twice"},
		{"id with a fragment", `{"$id":"https://example.com/#a"}`, "without a fragment"},
		{"another draft", `{"$schema":"http://json-schema.org/draft-07/schema#"}`, "only Draft 2020-12"},
	} {
		s, err := schema.Compile([]byte(tt.schema))
		if err == nil || !strings.Contains(err.Error(), tt.reason) || len(err.Error()) > 400 {
			t.Errorf("%s: %v, %v", tt.name, s != nil, err)
		}
	}
	if _, err := schema.Compile([]byte(`{"$schema":"x:y"}`)); !errors.Is(err, schema.ErrDialect) {
		t.Error(err)
	}
}

func TestAnything(t *testing.T) {
	for _, raw := range []string{``, `true`, `{}`, `{"title":"t","x-unknown":[1],"format":"email","$comment":"c"}`, `{"$ref":"#/$defs/a","$defs":{"a":true}}`} {
		s := compile(t, raw)
		if s != nil {
			t.Errorf("%s is more than nil", raw)
		}
		if err := s.Validate([]byte(` {"a":1} `)); err != nil {
			t.Error(err)
		}
		if s.Validate([]byte(`{"a":1,"a":2}`)) == nil {
			t.Error("nil accepts duplicate names")
		}
	}
}

// A fault does not stop the scanner short, a syntax error is found behind it.
func TestScanConsumes(t *testing.T) {
	s := compile(t, `{"properties":{"a":{"type":"null"},"b":{"items":{"maximum":1}}},"allOf":[{"required":["c"]}],"maxProperties":2}`)
	for _, value := range []string{`{"a":1,"b":[2,3,{"x":[]}],"d":{}}`, `{"b":[2],"a":{"z":1}}`, `[]`, `{}`, `{"c":1}`, `{"c":1,"d":1,"e":1}`} {
		var sc jsontok.Scanner
		sc.Reset([]byte(`[` + value + ` , 7]`))
		arr, err := sc.Array()
		if _, e := sc.Element(&arr); e != nil || err != nil {
			t.Fatal(err, e)
		}
		invalid, syntax := s.Scan(&sc)
		if syntax != nil {
			t.Fatalf("%s: %v", value, syntax)
		}
		if valid := value == `[]` || value == `{"c":1}`; (invalid == nil) != valid {
			t.Errorf("%s: %v", value, invalid)
		}
		if ok, err := sc.Element(&arr); !ok || err != nil {
			t.Fatalf("%s: %v %v", value, ok, err)
		}
		if raw, err := sc.Skip(); err != nil || string(raw) != "7" {
			t.Errorf("%s: %s %v", value, raw, err)
		}
		for cut := range value {
			err := s.Validate([]byte(value[:cut]))
			var syntax *jsontok.SyntaxError
			if !errors.As(err, &syntax) {
				t.Errorf("%s: %v", value[:cut], err)
			}
		}
	}
}

// What would double at every level of the value ends all the same.
func TestBoundedWork(t *testing.T) {
	value := strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100)
	start := time.Now()
	for _, raw := range []string{
		`{"type":["object","integer"],"properties":{"a":{"anyOf":[{"$ref":"#","not":true},{"$ref":"#","not":true}]}}}`,
		`{"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`,
		`{"properties":{"a":{"not":{"not":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}}}`,
		`{"unevaluatedItems":false,"properties":{"a":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`,
		`{"unevaluatedProperties":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}`,
		`{"anyOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}],"$defs":{"a":{"properties":{"a":{"$ref":"#"}},"unevaluatedProperties":false}},"unevaluatedProperties":false}`,
	} {
		err := compile(t, raw).Validate([]byte(value))
		if err == nil || !strings.Contains(err.Error(), "work") {
			t.Errorf("%s: %v", raw, err)
		}
	}
	if d := time.Since(start); d > time.Minute {
		t.Error(d)
	}
}

func TestManyFields(t *testing.T) {
	var props, required, value strings.Builder
	for i := range 200 {
		fmt.Fprintf(&props, `,"f%d":{"const":%d}`, i, i)
		fmt.Fprintf(&required, `,"f%d"`, i)
		fmt.Fprintf(&value, `,"\u0066%d":%d`, 199-i, 199-i)
	}
	s := compile(t, `{"properties":{`+props.String()[1:]+`},"required":[`+required.String()[1:]+`],"additionalProperties":false}`)
	good := `{` + value.String()[1:] + `}`
	for _, tt := range []struct {
		value string
		valid bool
	}{{good, true}, {strings.ReplaceAll(good, `\u0066`, "f"), true}, {strings.Replace(good, `100":100`, `100":101`, 1), false}, {strings.Replace(good, `,"\u00660":0`, ``, 1), false}, {strings.Replace(good, `{`, `{"f200":1,`, 1), false}, {strings.Replace(good, `{`, `{"\u0066200":1,`, 1), false}} {
		if err := s.Validate([]byte(tt.value)); (err == nil) != tt.valid {
			t.Errorf("%.80s: %v", tt.value, err)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	s := compile(t, benchSchema)
	in := []byte(benchValue)
	var sc jsontok.Scanner
	sc.Reset(in)
	if n := testing.AllocsPerRun(100, func() {
		sc.Reset(in)
		if invalid, err := s.Scan(&sc); invalid != nil || err != nil {
			t.Fatal(invalid, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
