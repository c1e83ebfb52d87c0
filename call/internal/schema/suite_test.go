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

func TestSuite(t *testing.T) {
	for _, g := range suite(t) {
		name := g.file + "/" + g.Description
		t.Run(name, func(t *testing.T) {
			s, err := schema.Compile(g.Schema)
			var remote *schema.RemoteError
			if errors.As(err, &remote) {
				t.Log("REMOTE", err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range g.Tests {
				err := s.Validate(tt.Data)
				if (err == nil) != tt.Valid {
					t.Errorf("%s: %.100s: valid %v, want %v: %v", tt.Description, tt.Data, err == nil, tt.Valid, err)
				}
			}
		})
	}
}
