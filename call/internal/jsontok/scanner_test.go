package jsontok_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alkdev/alknet/call/internal/jsontok"
)

func TestValid(t *testing.T) {
	for _, in := range []string{
		`null`, `true`, `false`, `0`, `-0`, `1.5e-3`, `1E+9`, `""`, `"a"`, `{}`, `[]`, ` [ 1 , 2 ] `, "\t\r\n1 ",
		`{"a":1,"b":{"a":2},"c":[{"a":3}]}`, `{"":1,"\u0000":2}`,
		`"\"\\\/\b\f\n\r\t\u00e9"`, `"\ud83d\ude00"`, `"é€😀"`, `"0123456789abcdefghijklmnopqrstuvwxyzé0123456789"`,
		`1e999999999`, strings.Repeat("9", 10000), `{"a":1,"A":2}`, `{"a":1,"a ":2}`,
		strings.Repeat("[", jsontok.MaxDepth) + strings.Repeat("]", jsontok.MaxDepth),
		`[` + members(100) + `,` + members(17) + `]`, "\"\u007f\"", "\"\ufffd\"",
	} {
		if err := jsontok.Valid([]byte(in)); err != nil {
			t.Errorf("%.60s: %v", in, err)
		}
	}
}

func TestInvalid(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		offset   int
		reason   string
	}{
		{"empty", ``, 0, "ends"},
		{"white space", "  ", 2, "ends"},
		{"form feed", "\f1", 0, "where a value"},
		{"byte order mark", "\xef\xbb\xbf{}", 0, "byte order mark"},
		{"trailing bytes", `{} x`, 3, "after the value"},
		{"two values", `1 2`, 2, "after the value"},
		{"trailing NUL", "1\x00", 1, "after the value"},
		{"truncated object", `{"a":1`, 6, "ends"},
		{"truncated name", `{"a`, 3, "ends"},
		{"no value", `{"a":`, 5, "ends"},
		{"no colon", `{"a" 1}`, 5, "':'"},
		{"no name", `{1:2}`, 1, "a string"},
		{"trailing comma in an object", `{"a":1,}`, 7, "a string"},
		{"leading comma", `[,1]`, 1, "a value"},
		{"trailing comma in an array", `[1,]`, 3, "a value"},
		{"no comma", `[1 2]`, 3, "','"},
		{"no comma in an object", `{"a":1 "b":2}`, 7, "','"},
		{"truncated array", `[1`, 2, "ends"},
		{"wrong bracket", `[1}`, 2, "']'"},
		{"truncated literal", `tru`, 3, "ends"},
		{"misspelt literal", `trux`, 3, "neither"},
		{"capital literal", `True`, 0, "a value"},
		{"NaN", `NaN`, 0, "a value"},
		{"plus", `+1`, 0, "a value"},
		{"minus only", `-`, 1, "ends"},
		{"leading zero", `01`, 1, "after"},
		{"point first", `.5`, 0, "a value"},
		{"point last", `1.`, 2, "ends"},
		{"point without digit", `[1.]`, 3, "digit"},
		{"exponent without digit", `[1e+]`, 4, "digit"},
		{"hexadecimal", `0x10`, 1, "after"},
		{"unterminated string", `"abc`, 4, "ends"},
		{"control character", "\"a\x1fb\"", 2, "control"},
		{"NUL in a string", "\"12345678\x00\"", 9, "control"},
		{"NUL in a name", "{\"a\x00\":1}", 3, "control"},
		{"raw newline", "\"a\nb\"", 2, "control"},
		{"unknown escape", `"\x41"`, 1, "escape"},
		{"short escape", `"\u12`, 1, "ends"},
		{"escape not hexadecimal", `"\u12g4"`, 1, "hexadecimal"},
		{"high surrogate alone", `"\ud83d"`, 1, "surrogate"},
		{"high surrogate and text", `"\ud83dabcdefghi"`, 1, "surrogate"},
		{"low surrogate alone", `"\ude00 12345678"`, 1, "surrogate"},
		{"two high surrogates", `"\ud83d\ud83d"`, 1, "surrogate"},
		{"invalid UTF-8", "\"ab\xff\"", 3, "UTF-8"},
		{"overlong", "\"\xc0\x80\"", 1, "UTF-8"},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", 1, "UTF-8"},
		{"truncated UTF-8", "\"é\xc3\"", 3, "UTF-8"},
		{"UTF-8 in a name", "{\"\xff\":1}", 2, "UTF-8"},
		{"duplicate name", `{"a":1,"b":2,"a":3}`, 13, "two members"},
		{"duplicate empty name", `{"":1,"":2}`, 6, "two members"},
		{"escaped duplicate", `{"a":1,"\u0061":2}`, 7, "two members"},
		{"duplicate, the first escaped", `{"\u0061":1,"a":2}`, 12, "two members"},
		{"two escaped duplicates", `{"\u002f":1,"\/":2}`, 12, "two members"},
		{"escaped pair duplicate", `{"😀":1,"\ud83d\ude00":2}`, 10, "two members"},
		{"nested duplicate", `[{"a":{"b":1,"b":2}}]`, 13, "two members"},
		{"duplicate after a nested object", `{"a":{"b":1},"a":2}`, 13, "two members"},
		{"depth", strings.Repeat("[", 129) + strings.Repeat("]", 129), 128, "128 deep"},
		{"depth bomb", strings.Repeat(`{"a":`, 1<<20), 128 * 5, "128 deep"},
		{"depth bomb of arrays", strings.Repeat(`[`, 1<<22), 128, "128 deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := jsontok.Valid([]byte(tt.in))
			var syntax *jsontok.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("accepted: %v", err)
			}
			if syntax.Offset != tt.offset || !strings.Contains(syntax.Reason, tt.reason) {
				t.Errorf("got %v, want %q at %d", err, tt.reason, tt.offset)
			}
		})
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"name-%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestDuplicateAmongMany(t *testing.T) {
	for _, n := range []int{15, 16, 17, 18, 31, 32, 33, 100, 5000} {
		for _, again := range []int{0, n / 2, n - 1} {
			ok := members(n)
			plain := fmt.Sprintf(`%s,"name-%d":0}`, ok[:len(ok)-1], again)
			escaped := fmt.Sprintf(`%s,"n\u0061me-%d":0}`, ok[:len(ok)-1], again)
			first := strings.Replace(plain, `"name-`, `"n\u0061me-`, n)
			for _, in := range []string{plain, escaped, first} {
				if jsontok.Valid([]byte(in)) == nil {
					t.Errorf("%d members and number %d again: accepted", n, again)
				}
			}
			if err := jsontok.Valid([]byte(ok)); err != nil {
				t.Errorf("%d members: %v", n, err)
			}
		}
	}
}

// Each special byte at each place of the words that plain reads.
func TestStringAtEveryOffset(t *testing.T) {
	for n := range 80 {
		pad, tail := strings.Repeat("x", n), strings.Repeat("y", 40)
		for _, c := range []struct {
			in string
			ok bool
		}{{"é", true}, {`\n`, true}, {"\x1f", false}, {"\x00", false}, {"\xff", false}, {"\x80", false}, {"\x7f", true}, {`\`, false}, {`"`, false}, {" ", true}, {"!", true}, {"[", true}, {"]", true}, {"#", true}} {
			if got := jsontok.Valid([]byte(`"`+pad+c.in+tail+`"`)) == nil; got != c.ok {
				t.Errorf("%q after %d bytes: valid %v", c.in, n, got)
			}
		}
	}
}

func TestPull(t *testing.T) {
	var sc jsontok.Scanner
	sc.Reset([]byte(` {"ty\u0070e": "a\nb", "n": -1.50, "list": [1, {"x":[]}, null], "rest": {"k": "v" } } `))
	obj, err := sc.Object()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		name, ok, err := sc.Member(&obj)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		switch {
		case name.Is("type"):
			text, err := sc.Text()
			if err != nil || !name.Escaped() || !text.Escaped() || text.Runes() != 3 || string(text.Raw()) != `a\nb` {
				t.Error(text, err)
			}
			got = append(got, text.String())
		case name.Is("n"):
			raw, err := sc.Number()
			got = append(got, string(raw))
			if err != nil {
				t.Error(err)
			}
		case name.Is("list"):
			arr, err := sc.Array()
			if err != nil {
				t.Fatal(err)
			}
			for {
				ok, err := sc.Element(&arr)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				kind, start := sc.Kind(), sc.Offset()
				raw, err := sc.Skip()
				if err != nil {
					t.Fatal(err)
				}
				end := sc.Offset()
				sc.Rewind(start)
				if again, err := sc.Skip(); err != nil || string(again) != string(raw) || string(sc.Bytes(start, end)) != string(raw) {
					t.Error(string(again), err)
				}
				got = append(got, string(kind)+string(raw))
			}
		default:
			raw, err := sc.Skip()
			if err != nil {
				t.Error(err)
			}
			got = append(got, string(raw))
		}
	}
	if err := sc.End(); err != nil {
		t.Error(err)
	}
	if want := `a
b|-1.50|01|{{"x":[]}|nnull|{"k": "v" }`; strings.Join(got, "|") != want {
		t.Errorf("got %q", strings.Join(got, "|"))
	}
}

func TestIs(t *testing.T) {
	for _, tt := range []struct {
		in, is string
		want   bool
	}{
		{`"id"`, "id", true}, {`"ID"`, "id", false}, {`"\u0069d"`, "id", true}, {`"\u0069dx"`, "id", false}, {`"\u0069"`, "id", false},
		{`"\ud83d\ude00"`, "😀", true}, {`"\ufffd"`, "\xff", false}, {`"\ufffd"`, "\ufffd", true}, {`"x\\"`, `x\`, true}, {`""`, "", true},
	} {
		var sc jsontok.Scanner
		sc.Reset([]byte(tt.in))
		text, err := sc.Text()
		if err != nil || text.Is(tt.is) != tt.want {
			t.Errorf("%s is %q: %v, %v", tt.in, tt.is, !tt.want, err)
		}
	}
}

func TestMistakenPulls(t *testing.T) {
	for name, pull := range map[string]func(*jsontok.Scanner) error{
		"Text":   func(s *jsontok.Scanner) error { _, err := s.Text(); return err },
		"Number": func(s *jsontok.Scanner) error { _, err := s.Number(); return err },
		"Object": func(s *jsontok.Scanner) error { _, err := s.Object(); return err },
		"Array":  func(s *jsontok.Scanner) error { _, err := s.Array(); return err },
	} {
		for _, in := range []string{"", " ", "true", "x"} {
			var sc jsontok.Scanner
			sc.Reset([]byte(in))
			if err := pull(&sc); err == nil {
				t.Errorf("%s accepts %q", name, in)
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	in := []byte(`{"type":"call.requested","id":"r-1","payload":{"operationId":"/math/add","input":{"a":[1,2,{"b":null}]}}}`)
	var sc jsontok.Scanner
	sc.Reset(in)
	if n := testing.AllocsPerRun(100, func() {
		sc.Reset(in)
		if _, err := sc.Skip(); err != nil || sc.End() != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
