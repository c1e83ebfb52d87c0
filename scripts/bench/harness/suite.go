package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
)

// Suite is all the comparisons of a project. Main runs it.
type Suite struct {
	Name    string // of the project; the heading of its column
	Command string // how people start it, for the tables: "go run ./scripts/bench"
	Doc     string // the Markdown file that -write updates; JSON and SVG go to the folder bench beside it
	Groups  []Group

	// Helpers are functions that run in processes of their own: a server that
	// must not share a heap with its client, say. See [Run.Helper].
	Helpers map[string]func(args []string) error
}

// Group is a number of rows that share a table and a plot.
type Group struct {
	Name    string   // lower-case letters, digits and hyphens: names the files and the marked block
	Title   string   // one line, for the plot and -list
	Modules []string // Go modules linked into this program whose versions belong in the report
	Rows    []Row
}

// Row compares one thing. Rows of a suite have different names, made of at most 24
// lower-case letters, digits and hyphens.
type Row struct {
	Name    string
	What    string // one line: what is done, beside what
	Against string // the peer's name; "peer" if empty
	Unit    string // of Sample.Value; "ms" if empty

	// Ours and Peer measure once. Each call happens in a new process.
	Ours, Peer Measure

	// Setup, if not nil, runs once before the row's samples, in the process that
	// starts them; what it starts lives until the last of them has ended.
	Setup func(*Setup) error

	Target  Target
	Timeout time.Duration // of one sample; two minutes if 0
}

// Measure measures one side of a row once. An error made by [Skip] marks the row
// as skipped; any other one fails it.
type Measure func(*Run) (Sample, error)

// Sample is what a Measure found.
type Sample struct {
	// Value is in the row's unit, positive and finite.
	Value float64 `json:"value"`
	// CPU is user and system time in seconds for one operation or one gigabyte,
	// without the set-up. If it is 0, the row shows the CPU time of the whole
	// sample instead, its children included; if negative, none.
	CPU float64 `json:"cpu,omitempty"`
	// Allocs is heap allocations for one operation. A table has a column for
	// them if any of its rows measures them on both sides.
	Allocs float64 `json:"allocs,omitempty"`
	// Peak is resident memory in bytes at its highest. If it is 0, the harness
	// takes that of the largest process of the sample; if negative, none is shown.
	Peak int64 `json:"peak,omitempty"`
}

// Target bounds the ratios of a row, ours over the peer's. Zero fields ask for
// nothing. A bound is kept if the better end of the 95 % interval keeps it.
type Target struct {
	AtLeast      float64 `json:"at_least,omitempty"`
	AtMost       float64 `json:"at_most,omitempty"`
	CPUAtMost    float64 `json:"cpu_at_most,omitempty"`
	MemoryAtMost float64 `json:"memory_at_most,omitempty"`
}

// String is empty for the zero Target.
func (t Target) String() string {
	var parts []string
	add := func(format string, bound float64) {
		if bound != 0 {
			parts = append(parts, fmt.Sprintf(format, bound))
		}
	}
	add("≥ %.2f", t.AtLeast)
	add("≤ %.2f", t.AtMost)
	add("CPU ≤ %.2f", t.CPUAtMost)
	add("memory ≤ %.2f", t.MemoryAtMost)
	return strings.Join(parts, ", ")
}

// Verdict says whether a row keeps its target.
type Verdict string

const (
	Holds    Verdict = "yes"
	Misses   Verdict = "no"
	NoTarget Verdict = "none"
	Unknown  Verdict = "unknown" // what the target bounds is not measured on this system
)

func (t Target) judge(value, cpu, memory Ratio) Verdict {
	if t == (Target{}) {
		return NoTarget
	}
	misses := t.AtLeast != 0 && value.measured() && value.High < t.AtLeast
	unknown := t.AtLeast != 0 && !value.measured()
	for _, b := range []struct {
		bound float64
		ratio Ratio
	}{{t.AtMost, value}, {t.CPUAtMost, cpu}, {t.MemoryAtMost, memory}} {
		misses = misses || b.bound != 0 && b.ratio.measured() && b.ratio.Low > b.bound
		unknown = unknown || b.bound != 0 && !b.ratio.measured()
	}
	switch {
	case misses:
		return Misses
	case unknown:
		return Unknown
	}
	return Holds
}

// Skip returns the error with which a Setup or a Measure says that the row cannot
// be measured here. The report shows the row with the reason, and is published: no
// paths, no host names.
func Skip(format string, args ...any) error {
	return &skipError{fmt.Sprintf(format, args...)}
}

type skipError struct{ reason string }

func (e *skipError) Error() string { return e.reason }

const defaultTimeout = 2 * time.Minute

func (r Row) unit() string {
	if r.Unit == "" {
		return "ms"
	}
	return r.Unit
}

func (r Row) against() string {
	if r.Against == "" {
		return "peer"
	}
	return r.Against
}

func (r Row) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.Timeout > 0 {
		return context.WithTimeout(ctx, r.Timeout)
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

const longestName = 24

var nameSyntax = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func (s Suite) validate() error {
	groups, rows := map[string]bool{}, map[string]bool{}
	for _, g := range s.Groups {
		if !nameSyntax.MatchString(g.Name) || groups[g.Name] {
			return fmt.Errorf("group %q: a name is lower-case letters, digits and hyphens, and unique", g.Name)
		}
		groups[g.Name] = true
		for _, r := range g.Rows {
			if rows[r.Name] {
				return fmt.Errorf("row %q: named twice", r.Name)
			}
			rows[r.Name] = true
			if err := r.validate(); err != nil {
				return fmt.Errorf("row %q: %w", r.Name, err)
			}
		}
	}
	return nil
}

func (r Row) validate() error {
	if !nameSyntax.MatchString(r.Name) || len(r.Name) > longestName {
		return fmt.Errorf("a name is at most %d lower-case letters, digits and hyphens", longestName)
	}
	if r.Ours == nil || r.Peer == nil {
		return errors.New("needs both Ours and Peer")
	}
	t := r.Target
	for _, bound := range []float64{t.AtLeast, t.AtMost, t.CPUAtMost, t.MemoryAtMost} {
		if bound < 0 || math.IsNaN(bound) || math.IsInf(bound, 0) {
			return fmt.Errorf("target %v: a bound is a positive number", t)
		}
	}
	return nil
}

func (s Suite) row(name string) (Row, error) {
	for _, g := range s.Groups {
		for _, r := range g.Rows {
			if r.Name == name {
				return r, nil
			}
		}
	}
	return Row{}, fmt.Errorf("no row %q", name)
}
