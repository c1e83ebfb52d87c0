package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

func TestMain(m *testing.M) {
	if harness.IsChild() {
		os.Exit(suite().Main())
	}
	// The race detector would keep every sample's process for a second after its end.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	os.Exit(m.Run())
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	var out, log bytes.Buffer
	if status := suite().Run(args, &out, &log); status != 0 {
		t.Fatalf("%v: exit status %d\n%s%s", args, status, &out, &log)
	}
	return out.String()
}

// TestRows measures rows once, as quickly as it goes, but none that builds a program
// or takes long.
func TestRows(t *testing.T) {
	for _, row := range []string{"quic-down|quic-connect|tcp-up|idle-memory", "first-byte-50ms|bulk-50ms"} {
		file := filepath.Join(t.TempDir(), "report.json")
		table := run(t, "-quick", "-noisy", "-pairs", "1", "-row", "^("+row+")$", "-json", file)
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var report harness.Report
		if err := json.Unmarshal(raw, &report); err != nil {
			t.Fatal(err)
		}
		for _, g := range report.Groups {
			for _, r := range g.Rows {
				if r.Skipped != "" {
					t.Logf("%s: skipped: %s", r.Name, r.Skipped)
				} else if len(r.Pairs) != 1 || r.Value.Ours <= 0 || r.Value.Peer <= 0 {
					t.Errorf("%s: %+v", r.Name, r)
				}
				if !strings.Contains(table, "| "+r.Name+" ") {
					t.Errorf("%s is not in the table:\n%s", r.Name, table)
				}
			}
		}
	}
}

func TestDocument(t *testing.T) {
	name := suite().Doc
	raw, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	doc := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(doc, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s := suite()
	for i, g := range s.Groups {
		for j := range g.Rows {
			s.Groups[i].Rows[j].Setup = func(*harness.Setup) error { return harness.Skip("not measured by this test") }
		}
	}
	var out bytes.Buffer
	if status := s.Run([]string{"-quick", "-noisy", "-pairs", "1", "-write", "-doc", doc}, &out, &out); status != 0 {
		t.Fatalf("exit status %d: a group lacks its block in %s?\n%s", status, name, &out)
	}
	for _, g := range s.Groups {
		picture, err := os.ReadFile(filepath.Join(filepath.Dir(doc), "bench", g.Name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(picture, new(struct{})); err != nil {
			t.Errorf("plot of %s: %v", g.Name, err)
		}
	}
}

func TestHandshakes(t *testing.T) {
	got, err := handshakes([]byte(`{"seq":1,"handshake_ms":52.5}
{"seq":2,"error":"no answer"}
{"seq":3,"handshake_ms":51}
{"sent":3,"answered":2,"handshake_ms":{"min":51,"avg":51.75,"max":52.5}}
`))
	if err != nil || !slices.Equal(got, []float64{52.5, 51}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"{", `{"seq":1,"handshake_ms":"fast"}`} {
		if got, err := handshakes([]byte(bad)); err == nil {
			t.Errorf("%s: no error, but %v", bad, got)
		}
	}
}
