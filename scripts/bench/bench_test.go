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

// TestRows measures rows of each kind once, as quickly as it goes.
func TestRows(t *testing.T) {
	for _, row := range []string{"first-byte|bulk-tls|bulk-quic|bulk-quic-bbr", "start-serve|ping", "call-one-.*|call-64-typed|call-stream-tcp|bytes-each"} {
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

// TestDocument checks that the document has the lines between which -write puts the
// table of each group.
func TestDocument(t *testing.T) {
	s := suite()
	raw, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(s.Doc)))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range s.Groups {
		begin := "<!-- bench " + g.Name + ": written by -write, do not edit -->\n"
		end := "<!-- bench " + g.Name + ": end -->\n"
		_, rest, ok := strings.Cut(string(raw), begin)
		if !ok || !strings.Contains(rest, end) {
			t.Errorf("%s lacks these lines:\n%s%s", s.Doc, begin, end)
		}
	}
}

// TestWrite takes a group of real rows through the command line into a document.
func TestWrite(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "figures.md")
	text := "<!-- bench transport: written by -write, do not edit -->\n<!-- bench transport: end -->\n"
	if err := os.WriteFile(doc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "-quick", "-noisy", "-pairs", "1", "-group", "transport", "-write", "-doc", doc)
	raw, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(filepath.Join(filepath.Dir(doc), "bench", "transport.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range transport().Rows {
		if !strings.Contains(string(raw), "| "+r.Name+" ") || !strings.Contains(string(picture), ">"+r.Name) {
			t.Errorf("%s is not in the document or not in the plot:\n%s", r.Name, raw)
		}
	}
	if !strings.Contains(string(raw), "quic-go v0.") {
		t.Errorf("the version of quic-go is missing:\n%s", raw)
	}
	if err := xml.Unmarshal(picture, new(struct{})); err != nil {
		t.Errorf("plot: %v", err)
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
