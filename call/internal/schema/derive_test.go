package schema_test

import (
	stdjson "encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/alkdev/alknet/call/internal/schema"
)

type (
	leaf struct {
		A int    `json:"a" jsonschema:"the first number"`
		B string `json:"b,omitempty"`
	}
	tree struct {
		Value    int              `json:"value"`
		Left     *tree            `json:"left,omitempty"`
		Right    *tree            `json:"right"`
		Children []tree           `json:"children"`
		Named    map[string]*tree `json:"named"`
	}
	listOfItself   []listOfItself
	mapOfItself    map[string]mapOfItself
	pingType       struct{ Pong *pongType }
	pongType       struct{ Ping []pingType }
	generic[T any] struct {
		V    T           `json:"v"`
		Next *generic[T] `json:"next,omitempty"`
	}
	Base struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	}
	Extra struct {
		Note string `json:"note"`
		ID   string `json:"id"`
	}
	embedding struct {
		Base
		*Extra
		Name bool `json:"name"`
	}
	rest struct {
		A    int            `json:"a"`
		More map[string]int `json:",embed"`
	}
	anyRest struct {
		More jsontext.Value `json:",embed"`
	}
	allOptional struct {
		Limit int `json:"limit,omitempty"`
	}
	wide struct {
		I8   int8               `json:"i8"`
		U16  uint16             `json:"u16"`
		I64  int64              `json:"i64"`
		U64  uint64             `json:"u64"`
		F    float32            `json:"f"`
		Bool bool               `json:"bool"`
		Time time.Time          `json:"time"`
		Raw  stdjson.RawMessage `json:"raw"`
		Val  jsontext.Value     `json:"val"`
		Any  any                `json:"any"`
		Data []byte             `json:"data"`
		Key  [5]byte            `json:"key"`
		Arr  [2]string          `json:"arr"`
		List []string           `json:"list"`
		Map  map[string][]int   `json:"map"`
		Nums map[int]bool       `json:"nums"`
		Addr netip.Addr         `json:"addr"`
		Ptr  *leaf              `json:"ptr"`
		Opt  *leaf              `json:"opt,omitzero"`
		PP   **int              `json:"pp"`
		N    int                `json:"n,string"`
		PN   *int               `json:"pn,string"`
		Skip chan int           `json:"-"`
		Sub  struct {
			X int `json:"x"`
		} `json:"sub"`
	}
)

// What a type encodes as must satisfy its schema and be read back; what its
// schema accepts must be read.
func derived[T any](values []T, good, bad []string) func(*testing.T) {
	return func(t *testing.T) {
		raw, err := schema.For[T]()
		if err != nil {
			t.Fatal(err)
		}
		again, err := schema.For[T]()
		if err != nil || string(again) != string(raw) {
			t.Errorf("two derivations differ: %s %s %v", raw, again, err)
		}
		s, err := schema.Compile(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		var zero T
		for _, v := range append(values, zero) {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			good = append(good, string(b))
		}
		for _, in := range good {
			if err := s.Validate([]byte(in)); err != nil {
				t.Errorf("%s\n%s: %v", raw, in, err)
			}
			if err := json.Unmarshal([]byte(in), new(T), json.RejectUnknownMembers(true)); err != nil {
				t.Errorf("%s: %v", in, err)
			}
		}
		for _, in := range bad {
			if s.Validate([]byte(in)) == nil {
				t.Errorf("%s\n%s: accepted", raw, in)
			}
		}
	}
}

func TestDerived(t *testing.T) {
	n := 3
	pn := &n
	full := wide{I8: -128, U16: 65535, I64: -1 << 63, U64: 1<<64 - 1, F: 1.5, Bool: true, Time: time.Unix(1, 2), Raw: stdjson.RawMessage(`[1]`), Val: jsontext.Value(`{}`),
		Any: 1.5, Data: []byte("abc"), Arr: [2]string{"x", "y"}, List: []string{"a"}, Map: map[string][]int{"a": {1}, "b": nil}, Nums: map[int]bool{-1: true, 0: false},
		Addr: netip.MustParseAddr("127.0.0.1"), Ptr: &leaf{A: 1}, Opt: &leaf{B: "b"}, PP: &pn, N: 12, PN: pn}
	t.Run("wide", derived([]wide{full}, nil, []string{`null`, `{}`}))
	t.Run("leaf", derived([]leaf{{A: 1}, {B: "x"}}, []string{`{"a":1}`},
		[]string{`null`, `{}`, `{"A":1}`, `{"a":"1"}`, `{"a":1.5}`, `{"a":null}`, `{"a":1,"c":2}`, `{"a":1,"b":null}`, `[]`}))
	t.Run("tree", derived([]tree{{Left: &tree{}, Children: []tree{{Value: 1}}, Named: map[string]*tree{"a": nil, "b": {}}}}, nil,
		[]string{`{"value":1,"right":{},"children":[],"named":{}}`, `{"value":1,"left":null,"right":null,"children":[],"named":{}}`, `{"value":1,"right":null,"children":null,"named":{}}`}))
	t.Run("list of itself", derived([]listOfItself{{{}, {{}}}}, nil, []string{`[[1]]`, `{}`}))
	t.Run("map of itself", derived([]mapOfItself{{"a": {"b": nil}}}, nil, []string{`{"a":{"b":1}}`}))
	t.Run("two that contain each other", derived([]pingType{{Pong: &pongType{Ping: []pingType{{}}}}}, nil, []string{`{"Pong":{"Ping":[{}]}}`}))
	t.Run("generic", derived([]generic[string]{{V: "a", Next: &generic[string]{}}}, nil, []string{`{"v":1}`}))
	t.Run("embedding", derived([]embedding{{Base: Base{ID: 1}, Extra: &Extra{Note: "n"}, Name: true}, {}}, []string{`{"name":true}`}, []string{`{"id":1}`, `{"name":"x"}`, `{"name":true,"other":1}`}))
	t.Run("rest", derived([]rest{{A: 1, More: map[string]int{"b": 2}}}, nil, []string{`{"a":1,"b":"c"}`}))
	t.Run("any rest", derived([]anyRest{{More: jsontext.Value(`{"x":[1]}`)}}, []string{`{}`}, []string{`1`}))
	t.Run("nothing", derived([]struct{}{{}}, []string{`null`, `{}`}, []string{`1`, `{"a":1}`, `[]`}))
	t.Run("all optional", derived([]allOptional{{Limit: 1}}, []string{`null`, `{}`}, []string{`{"limits":1}`, `{"limit":null}`}))
	t.Run("string", derived([]string{"x"}, nil, []string{`1`, `null`}))
	t.Run("pointer", derived([]*leaf{{A: 1}}, nil, []string{`{}`}))
	t.Run("slice", derived([][]int{{1}}, nil, []string{`null`, `[null]`}))
	t.Run("anything", derived([]any{1.0, "x"}, []string{`{"a":[]}`}, nil))
	t.Run("raw", derived([]stdjson.RawMessage{stdjson.RawMessage(`{"a":1}`)}, nil, nil))
	t.Run("bool", derived([]bool{true}, nil, []string{`1`}))
	t.Run("byte", derived([]uint8{255}, nil, []string{`256`, `-1`}))
	t.Run("bytes", derived([][]byte{{1}}, nil, []string{`[1]`}))
}

func TestDerivedText(t *testing.T) {
	raw, err := schema.For[leaf]()
	if want := `{"type":"object","properties":{"a":{"type":"integer","description":"the first number"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false}`; err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
	raw, err = schema.For[generic[int]]()
	if want := `{"$ref":"#/$defs/generic_int_","$defs":{"generic_int_":{"type":"object","properties":{"v":{"type":"integer"},"next":{"$ref":"#/$defs/generic_int_"}},"required":["v"],"additionalProperties":false}}}`; err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
}

type pointerToItself *pointerToItself

func TestNotDerived(t *testing.T) {
	refused := func(name string, err error) {
		if err == nil {
			t.Errorf("%s: derived", name)
		}
	}
	only := func(_ stdjson.RawMessage, err error) error { return err }
	refused("chan", only(schema.For[chan int]()))
	refused("func in a struct", only(schema.For[struct{ F func() }]()))
	refused("complex", only(schema.For[[]complex128]()))
	refused("interface", only(schema.For[struct{ E error }]()))
	refused("duration", only(schema.For[struct{ D time.Duration }]()))
	refused("keys", only(schema.For[map[[2]int]string]()))
	refused("bool keys", only(schema.For[map[bool]string]()))
	refused("two fields of one name", only(schema.ForType(reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.TypeFor[int](), Tag: `json:"x"`}, {Name: "B", Type: reflect.TypeFor[int](), Tag: `json:"x"`},
	}))))
	refused("hidden fields only", only(schema.For[struct{ a int }]()))
	refused("empty description", only(schema.For[struct {
		A int `jsonschema:""`
	}]()))
	refused("reserved tag", only(schema.For[struct {
		A int `jsonschema:"enum=1"`
	}]()))
	refused("pointer to itself", only(schema.For[pointerToItself]()))
	if err := only(schema.For[struct{ D time.Duration }]()); !strings.Contains(err.Error(), "field D") {
		t.Error(err)
	}
	refused("nothing", only(schema.ForType(nil)))
}
