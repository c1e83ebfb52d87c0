package harness_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

func command(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	if got := toys().Run(args, &out, &log); got != want {
		t.Fatalf("%v: exit status %d, want %d\n%s%s", args, got, want, &out, &log)
	}
	return out.String(), log.String()
}

func measured(t *testing.T, want int, args ...string) (harness.Report, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.json")
	out, _ := command(t, want, append([]string{"-quick", "-noisy", "-json", file}, args...)...)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r harness.Report
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r, out
}

func row(t *testing.T, r harness.Report, name string) harness.Result {
	t.Helper()
	for _, g := range r.Groups {
		for _, row := range g.Rows {
			if row.Name == name {
				return row
			}
		}
	}
	t.Fatalf("no row %s in the report", name)
	return harness.Result{}
}

func TestReport(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	r, out := measured(t, 0, "-group", "good", "-pairs", "3", "-seed", "7")
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if r.Seed != 7 || r.Pairs != 3 || !r.Quick || r.Machine.Cores == 0 || r.Machine.Go != runtime.Version() {
		t.Errorf("report: %+v", r)
	}
	if want := "go run ./toys -group good -quick -pairs 3 -seed 7"; r.Command != want {
		t.Errorf("command %q, want %q", r.Command, want)
	}
	twice := row(t, r, "twice")
	if want := (harness.Ratio{Median: 2, Low: 2, High: 2}); twice.Value.Ratio != want || twice.Verdict != harness.Holds {
		t.Errorf("twice: %v %s", twice.Value.Ratio, twice.Verdict)
	}
	if len(twice.Pairs) != 3 || twice.Pairs[0].Ours.Value != 2 || twice.Pairs[0].Peer.Value != 1 {
		t.Errorf("samples: %+v", twice.Pairs)
	}
	if p := twice.Pairs[0].Ours; p.Wall <= 0 || p.ProcessCPU <= 0 {
		t.Errorf("a process that took no time: %+v", p)
	}
	if runtime.GOOS == "linux" && twice.Memory.Ours < 1<<20 {
		t.Errorf("peak memory: %+v", twice.Memory)
	}
	if got := row(t, r, "seeded").Value.Ratio; got.Low != 1 || got.High != 1 {
		t.Errorf("the sides of a pair have different seeds: %v", got)
	}
	if got := row(t, r, "seeded"); got.CPU != (harness.Comparison{}) || got.Memory != (harness.Comparison{}) {
		t.Errorf("figures that the samples do not have: %+v %+v", got.CPU, got.Memory)
	}
	if got := row(t, r, "set-up"); got.CPU.Ours != 1e-6 || got.Allocs.Ours != 3 || got.Memory.Ours != 1<<20 || got.Verdict != harness.NoTarget {
		t.Errorf("set-up: %+v", got)
	}
	for _, want := range []string{"| twice ", "2.000 (2.000..2.000)", "≥ 1.50", "seed 7", "| allocations (95 %) ", "1 µs", "1.000 (1.000..1.000), 3 "} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

func TestProfile(t *testing.T) {
	folder := t.TempDir()
	command(t, 0, "-quick", "-noisy", "-pairs", "1", "-row", "^chatty$", "-profile", folder)
	for _, pattern := range []string{"chatty-ours-*.pprof", "chatty-peer-*.pprof", "say-a-b-*.pprof"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			if st, err := os.Stat(f); err != nil || st.Size() == 0 {
				t.Errorf("%s is empty (%v)", f, err)
			}
		}
	}
}

func TestSeedDecidesOrder(t *testing.T) {
	order := func(seed string) (first []string) {
		r, _ := measured(t, 0, "-row", "^twice$", "-pairs", "8", "-seed", seed)
		for _, p := range row(t, r, "twice").Pairs {
			first = append(first, p.First)
		}
		return first
	}
	a, again, b := order("1"), order("1"), order("2")
	if !slices.Equal(a, again) {
		t.Errorf("the same seed gave %v and %v", a, again)
	}
	if slices.Equal(a, b) || !slices.Contains(a, "ours") || !slices.Contains(a, "peer") {
		t.Errorf("no lot: %v and %v", a, b)
	}
}

func TestPrograms(t *testing.T) {
	r, _ := measured(t, 0, "-group", "programs", "-pairs", "1")
	got := row(t, r, "go")
	if got.Skipped != "" {
		t.Skip(got.Skipped)
	}
	if got.Value.Ours <= 0 || got.CPU.Ours <= 0 {
		t.Errorf("%+v", got)
	}
	if version := r.Groups[0].Peers["go"]; !strings.Contains(version, "go1") {
		t.Errorf("version of the peer: %q", version)
	}
}

func TestVerdicts(t *testing.T) {
	r, out := measured(t, 0, "-group", "poor")
	if got := row(t, r, "misses").Verdict; got != harness.Misses {
		t.Errorf("misses: %s", got)
	}
	for name, reason := range map[string]string{"skips": "no frobnicator", "skips-late": "no luck"} {
		if got := row(t, r, name); !strings.Contains(got.Skipped, reason) || got.Error != "" || got.Pairs != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if !strings.Contains(out, "skipped: no frobnicator") || !strings.Contains(out, "**no**") {
		t.Errorf("table:\n%s", out)
	}
	command(t, 1, "-group", "poor", "-quick", "-noisy", "-strict")
}

func TestFailures(t *testing.T) {
	r, out := measured(t, 1, "-group", "bad", "-pairs", "1")
	for name, reason := range map[string]string{
		"fails": "out of | order", "fails-set-up": "no such thing", "zero": "measured 0",
		"panics": "exit status 2", "hangs": "deadline exceeded", "unset": "${nothing}",
	} {
		if got := row(t, r, name); !strings.Contains(got.Error, reason) || got.Skipped != "" {
			t.Errorf("%s: error %q", name, got.Error)
		}
	}
	if !strings.Contains(out, `out of \| order`) {
		t.Errorf("table:\n%s", out)
	}
}

func TestArguments(t *testing.T) {
	for name, args := range map[string][]string{
		"too few pairs":            {"-pairs", "9"},
		"no such group":            {"-group", "good,other"},
		"no such row":              {"-row", "nothing"},
		"no expression":            {"-row", "("},
		"argument":                 {"good"},
		"no such flag":             {"-fast"},
		"slow and published":       {"-write", "-doc", "x.md", "-profile", "x"},
		"part of a table":          {"-write", "-row", "twice", "-doc", "x.md"},
		"write without document":   {"-write"},
		"negative number of pairs": {"-quick", "-pairs", "-1"},
	} {
		t.Run(name, func(t *testing.T) { command(t, 2, args...) })
	}
	if out, _ := command(t, 0, "-list", "-row", "twice"); !strings.Contains(out, "twice as fast") || strings.Contains(out, "seeded") {
		t.Errorf("list:\n%s", out)
	}
}

func TestSuiteFaults(t *testing.T) {
	one := func(r harness.Row) harness.Suite {
		return harness.Suite{Groups: []harness.Group{{Name: "g", Rows: []harness.Row{r}}}}
	}
	good := harness.Row{Name: "a", Ours: harness.Constant(1), Peer: harness.Constant(1)}
	noPeer, name, long, bound := good, good, good, good
	noPeer.Peer, name.Name, long.Name, bound.Target.AtMost = nil, "../a", strings.Repeat("a", 25), -1
	twice := one(good)
	twice.Groups = append(twice.Groups, harness.Group{Name: "h", Rows: []harness.Row{good}})
	for what, s := range map[string]harness.Suite{
		"no peer": one(noPeer), "name": one(name), "long name": one(long), "bound": one(bound), "named twice": twice,
		"group name": {Groups: []harness.Group{{Name: "A b"}}},
	} {
		if got := s.Run([]string{"-list"}, io.Discard, io.Discard); got != 2 {
			t.Errorf("%s: exit status %d, want 2", what, got)
		}
	}
}

const document = `# Figures

<!-- bench good: written by -write, do not edit -->
old
<!-- bench good: end -->

<!-- bench bad: written by -write, do not edit -->
<!-- bench bad: end -->

Prose stays.
`

func TestWrite(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "figures.md")
	if err := os.WriteFile(doc, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-quick", "-noisy", "-write", "-doc", doc, "-pairs", "1", "-group"}
	for range 2 { // the second time replaces what the first has written
		command(t, 0, append(args, "good")...)
	}
	raw, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if strings.Contains(text, "\nold\n") || !strings.HasPrefix(text, "# Figures\n") || !strings.HasSuffix(text, strings.SplitAfter(document, "good: end -->")[1]) ||
		strings.Count(text, "| twice ") != 1 || !strings.Contains(text, "(bench/good.svg)") || !strings.Contains(text, "quick run") {
		t.Errorf("document:\n%s", text)
	}
	picture, err := os.ReadFile(filepath.Join(filepath.Dir(doc), "bench", "good.svg"))
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, picture)
	if _, err := os.Stat(filepath.Join(filepath.Dir(doc), "bench", "good.json")); err != nil {
		t.Error(err)
	}
	_, log := command(t, 1, append(args, "poor")...)
	if !strings.Contains(log, "<!-- bench poor: end -->") {
		t.Errorf("does not say which lines to add: %s", log)
	}
	command(t, 1, append(args, "bad")...)
	command(t, 0, append(args, "absent")...)
	after, err := os.ReadFile(doc)
	if err != nil || !bytes.Equal(raw, after) {
		t.Errorf("the document was changed by a run that failed or was skipped: %v", err)
	}
}

func wellFormed(t *testing.T, document []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
	}
}
