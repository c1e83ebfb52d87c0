package schema_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alkdev/alknet/call/internal/schema"
)

type suiteGroup struct {
	file        string
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

// suite is JSON-Schema-Test-Suite as the library's module carries it.
func suite(t testing.TB) []suiteGroup {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/jsonschema-go").Output()
	if err != nil {
		t.Fatalf("find the test suite: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "jsonschema/testdata/draft2020-12/*.json"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files of the test suite, %v", len(files), err)
	}
	var all []suiteGroup
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []suiteGroup
		if err := json.Unmarshal(b, &groups); err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			g.file = strings.TrimSuffix(filepath.Base(file), ".json")
			all = append(all, g)
		}
	}
	return all
}

// leavesDocument are the groups whose schemas refer to other documents. They
// must not compile: nothing is fetched.
var leavesDocument = map[string]string{
	"defs/validate definition against metaschema":                               "the meta-schema",
	"dynamicRef/strict-tree schema, guards against misspelled properties":       "tree.json",
	"dynamicRef/tests for implementation dynamic anchor and reference link":     "extendible-dynamic-ref.json",
	"dynamicRef/$ref and $dynamicAnchor are independent of order - $defs first": "extendible-dynamic-ref.json",
	"dynamicRef/$ref and $dynamicAnchor are independent of order - $ref first":  "extendible-dynamic-ref.json",
	"dynamicRef/$ref to $dynamicRef finds detached $dynamicAnchor":              "detached-dynamicref.json",
	"ref/remote ref, containing refs itself":                                    "the meta-schema",
	"refRemote/remote ref":                                                      "integer.json",
	"refRemote/fragment within remote ref":                                      "subSchemas.json",
	"refRemote/anchor within remote ref":                                        "locationIndependentIdentifier.json",
	"refRemote/ref within remote ref":                                           "subSchemas.json",
	"refRemote/base URI change":                                                 "folderInteger.json",
	"refRemote/base URI change - change folder":                                 "folderInteger.json",
	"refRemote/base URI change - change folder in subschema":                    "folderInteger.json",
	"refRemote/root ref in remote ref":                                          "name-defs.json",
	"refRemote/remote ref with ref to defs":                                     "ref-and-defs.json",
	"refRemote/Location-independent identifier in remote ref":                   "locationIndependentIdentifier.json",
	"refRemote/retrieved nested refs resolve relative to their URI not $id":     "foo-ref-string.json",
	"refRemote/remote HTTP ref with different $id":                              "different-id-ref-string.json",
	"refRemote/remote HTTP ref with different URN $id":                          "urn-ref-string.json",
	"refRemote/remote HTTP ref with nested absolute ref":                        "nested-absolute-ref-to-string.json",
	"refRemote/$ref to $ref finds detached $anchor":                             "detached-ref.json",
}

func TestSuite(t *testing.T) {
	left := 0
	for _, g := range suite(t) {
		name := g.file + "/" + g.Description
		t.Run(name, func(t *testing.T) {
			s, err := schema.Compile(g.Schema)
			var remote *schema.RemoteError
			if leavesDocument[name] != "" {
				left++
				if !errors.As(err, &remote) {
					t.Errorf("a schema that leaves its document compiles: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range g.Tests {
				if err := s.Validate(tt.Data); (err == nil) != tt.Valid {
					t.Errorf("%s: %.100s: valid %v, want %v: %v", tt.Description, tt.Data, err == nil, tt.Valid, err)
				}
			}
		})
	}
	if left != len(leavesDocument) {
		t.Errorf("%d of the %d listed groups are in the suite", left, len(leavesDocument))
	}
}

// Every schema of the suite with every value of its file: more than the suite
// expects anything of.
func TestAgreesWithLibrary(t *testing.T) {
	byFile := map[string][]json.RawMessage{}
	for _, g := range suite(t) {
		for _, tt := range g.Tests {
			byFile[g.file] = append(byFile[g.file], tt.Data)
		}
	}
	compared := 0
	for _, g := range suite(t) {
		s, err := schema.Compile(g.Schema)
		lib := newReference(g.Schema)
		if err != nil || lib == nil {
			continue
		}
		for _, value := range byFile[g.file] {
			want, ok := lib.validate(value)
			if !ok || g.file == "multipleOf" && string(value) == "1e308" { // the library divides as float64
				continue
			}
			compared++
			if err := s.Validate(value); (err == nil) != want {
				t.Errorf("%s/%s: %.200s: valid %v, the library says %v: %v", g.file, g.Description, value, err == nil, want, err)
			}
		}
	}
	if compared < 5000 {
		t.Errorf("%d comparisons", compared)
	}
}
