package harness

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"none", nil, 0},
		{"one", []float64{3}, 3},
		{"odd", []float64{9, 1, 2}, 2},
		{"even", []float64{4, 1, 2, 3}, 2.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Median(test.values); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestIntervalOfFewOrEqualPairs(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   Ratio
	}{
		{"none", nil, Ratio{}},
		{"one", []float64{1.5}, Ratio{1.5, 1.5, 1.5}},
		{"two", []float64{1, 2}, Ratio{1.5, 1, 2}},
		{"equal", []float64{2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, Ratio{2, 2, 2}},
		{"one far off", []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1e9}, Ratio{1, 1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ratioOf(test.values); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	values := []float64{1.2, 0.8, 1.1, 0.9, 1.05, 1, 1.3}
	if a, b := ratioOf(values), ratioOf(values); a != b {
		t.Errorf("the same pairs gave %v and %v", a, b)
	}
	if values[0] != 1.2 {
		t.Error("the pairs were reordered")
	}
}

// The interval is what the report promises: of runs whose true median is known,
// about 95 in a hundred contain it. A median of 10 covers 97.9 % between its second
// and its ninth value, 89 % between the third and the eighth; the bootstrap lies
// between them.
func TestIntervalCovers(t *testing.T) {
	const runs, pairs, resamples = 200, 10, 400
	rng := rand.New(rand.NewPCG(3, 4))
	for _, test := range []struct {
		name   string
		draw   func() float64
		median float64
	}{
		{"log-normal", func() float64 { return math.Exp(0.1 * rng.NormFloat64()) }, 1},
		{"skewed", func() float64 { return 1 + rng.ExpFloat64() }, 1 + math.Ln2},
		{"uniform", rng.Float64, 0.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			covered := 0
			for range runs {
				values := make([]float64, pairs)
				for i := range values {
					values[i] = test.draw()
				}
				r := bootstrap(values, resamples)
				if r.Low > r.Median || r.Median > r.High {
					t.Fatalf("median outside its interval: %v", r)
				}
				if r.Low <= test.median && test.median <= r.High {
					covered++
				}
			}
			if share := float64(covered) / runs; share < 0.88 || share == 1 {
				t.Errorf("the interval covers the median in %.3f of the runs", share)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	wide := Ratio{1, 0.9, 1.1}
	for _, test := range []struct {
		name               string
		target             Target
		value, cpu, memory Ratio
		want               Verdict
	}{
		{"nothing asked", Target{}, wide, wide, wide, NoTarget},
		{"at least, by the better end", Target{AtLeast: 1.05}, wide, wide, wide, Holds},
		{"at least, missed", Target{AtLeast: 1.2}, wide, wide, wide, Misses},
		{"at most, by the better end", Target{AtMost: 0.95}, wide, wide, wide, Holds},
		{"at most, missed", Target{AtMost: 0.8}, wide, wide, wide, Misses},
		{"CPU missed", Target{AtLeast: 1, CPUAtMost: 0.5}, wide, wide, wide, Misses},
		{"memory missed", Target{AtLeast: 1, MemoryAtMost: 0.5}, wide, wide, wide, Misses},
		{"memory not measured", Target{MemoryAtMost: 2}, wide, wide, Ratio{}, Unknown},
		{"missed and not measured", Target{AtLeast: 2, CPUAtMost: 2}, wide, Ratio{}, wide, Misses},
		{"nothing measured", Target{AtLeast: 2}, Ratio{}, Ratio{}, Ratio{}, Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.target.judge(test.value, test.cpu, test.memory); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestTicks(t *testing.T) {
	for _, s := range []scale{{0.9, 1.1}, {0.5, 3}, {0.015, 4}, {0.001, 1000}, {0.97, 1.03}} {
		ticks := s.ticks()
		if len(ticks) < 2 || len(ticks) > 9 {
			t.Errorf("%v: ticks %v", s, ticks)
		}
		for _, tick := range ticks {
			if x := s.x(tick); x < plotLeft || x > plotRight {
				t.Errorf("%v: %v lies at %v, outside the axis", s, tick, x)
			}
		}
	}
}

func TestPlotOfEverything(t *testing.T) {
	rows := []Result{
		{Name: "green", What: `a "b" <c> & d`, Value: Comparison{1, 1, Ratio{1, 0.9, 1.1}}, Target: Target{AtLeast: 0.95}, Verdict: Holds},
		{Name: "red", Value: Comparison{1, 1, Ratio{2, 1.9, 2.1}}, Target: Target{AtMost: 1.5}, Verdict: Misses, Quiet: Quiet{Known: true, Others: 0.5}},
		{Name: "left-out", Skipped: "no such kernel"},
	}
	var b strings.Builder
	if err := writePlot(&b, "us", GroupResult{Title: "all & more", Rows: rows}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`class="interval yes"`, `class="interval no"`, "red *", "skipped", "all &amp; more", "&lt;c&gt;", "prefers-color-scheme: dark"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the plot lacks %s", want)
		}
	}
	var empty strings.Builder
	if err := writePlot(&empty, "us", GroupResult{}); err != nil || strings.Contains(empty.String(), "NaN") {
		t.Errorf("plot of nothing: %v\n%s", err, &empty)
	}
}

func TestQuiet(t *testing.T) {
	before := activity{known: true, all: 100, busy: 50, own: 10, steal: 1}
	for _, test := range []struct {
		name  string
		after activity
		quiet bool
		want  Quiet
	}{
		{"only us", activity{known: true, all: 110, busy: 58, own: 18, steal: 1}, true, Quiet{Known: true}},
		{"half is others'", activity{known: true, all: 110, busy: 58, own: 13, steal: 1}, false, Quiet{Known: true, Others: 0.5}},
		{"stolen", activity{known: true, all: 110, busy: 50, own: 10, steal: 2}, false, Quiet{Known: true, Steal: 0.1}},
		{"ours counted finer than the ticks", activity{known: true, all: 110, busy: 52, own: 13, steal: 1}, true, Quiet{Known: true}},
		{"no time has passed", before, true, Quiet{}},
		{"not told", activity{}, true, Quiet{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := before.until(test.after)
			if got != test.want || got.quiet() != test.quiet {
				t.Errorf("got %+v, quiet %v", got, got.quiet())
			}
		})
	}
}

func TestReplaceBlock(t *testing.T) {
	begin, end := marks("g")
	for name, text := range map[string]string{
		"no marks": "text\n", "no end": begin + "\n", "no begin": end + "\n", "wrong order": end + "\n" + begin + "\n", "another group": "<!-- bench h: end -->\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := replaceBlock([]byte(text), "g", []byte("new\n")); err == nil {
				t.Errorf("no error, but %q", got)
			}
		})
	}
}

func TestPinned(t *testing.T) {
	for pkg, want := range map[string]bool{
		"example.org/a/cmd/b@v1.2.3": true, "example.org/a@v0.0.0-20260101000000-0123456789ab": true, "example.org/a@v1.0.0+incompatible": true,
		"example.org/a": false, "example.org/a@latest": false, "example.org/a@v1": false, "example.org/a@main": false, "-x@v1.2.3": false, "./a@v1.2.3": false, "example.org/a@v1.2.3 -x": false,
	} {
		if got := pinned.MatchString(pkg); got != want {
			t.Errorf("%q: pinned is %v", pkg, got)
		}
	}
}

func TestProgramName(t *testing.T) {
	for pkg, want := range map[string]string{"example.org/a/cmd/b": "b", "example.org/a/v2": "a", "example.org/a/v2/cmd/v": "v"} {
		if got := programName(pkg); got != want {
			t.Errorf("%s: %q, want %q", pkg, got, want)
		}
	}
}

func TestVersionOfProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "tool")
	for name, test := range map[string]struct{ script, want string }{
		"first line with a digit": {"echo Welcome; echo 'tool 1.2.3'; echo 4", "tool 1.2.3"},
		"on standard error":       {"echo '1.0' >&2; exit 1", "1.0"},
		"none":                    {"echo hello", "version unknown"},
		"its own path":            {`echo "usage: $0 -v1"; echo 7`, "7"},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("the program is a shell script")
			}
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+test.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			if got := programVersion(t.Context(), program, nil); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSystemPeerAbsent(t *testing.T) {
	s := &Setup{ctx: t.Context(), values: map[string]string{}, versions: map[string]string{}}
	err := s.SystemPeer("x", "no-such-program-of-mine", "frob")
	if a := answerOf(Sample{}, err); !strings.Contains(a.Skip, "Debian package frob") {
		t.Errorf("%v: %+v", err, a)
	}
}

func TestAnswerIsJSON(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), -1, 0} {
		if a := answerOf(Sample{Value: v, CPU: math.NaN()}, nil); a.check() == nil || math.IsNaN(a.CPU) {
			t.Errorf("%v was taken for a measurement: %+v", v, a)
		}
	}
}

func TestTailAndHead(t *testing.T) {
	var end tail
	var begin head
	for range 3000 {
		end.Write([]byte("abc"))
		begin.Write([]byte("abc"))
	}
	if got := end.text(); len(got) != 2048 || !strings.HasSuffix(got, "abc") {
		t.Errorf("tail: %d bytes", len(got))
	}
	if begin.Len() != 4096 || !strings.HasPrefix(begin.String(), "abc") {
		t.Errorf("head: %d bytes", begin.Len())
	}
}
