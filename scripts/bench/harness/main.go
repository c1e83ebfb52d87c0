package harness

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// Main runs the command line of the current process and returns its exit status:
//
//	func main() { os.Exit(suite().Main()) }
//
// In the processes that the harness starts for samples and helpers it is Main that
// runs them, so nothing may be printed before it.
func (s Suite) Main() int {
	return s.Run(os.Args[1:], os.Stdout, os.Stderr)
}

// Run is Main with arguments and outputs of the caller's. It is for tests, whose
// TestMain must call Main if [IsChild] says so.
//
// The exit status is 0, 1 if something could not be measured or written (with
// -strict also if a target is missed), or 2 if the arguments are wrong.
func (s Suite) Run(args []string, stdout, stderr io.Writer) int {
	if childMode(args) {
		return s.child(args, stderr)
	}
	o, err := s.parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	if o.list {
		s.list(stdout, o)
		return 0
	}
	if err := s.run(o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// IsChild tells whether this process is a sample or a helper.
func IsChild() bool { return childMode(os.Args[1:]) }

func childMode(args []string) bool {
	return len(args) > 0 && (args[0] == sampleMode || args[0] == helperMode)
}

func (s Suite) child(args []string, stderr io.Writer) int {
	var err error
	if args[0] == sampleMode {
		out := os.Stdout
		os.Stdout = os.Stderr // a stray print must not end up in the answer
		err = s.takeSample(os.Stdin, out)
	} else if helper := s.Helpers[strings.Join(args[1:min(2, len(args))], "")]; helper != nil {
		err = profiled(os.Getenv(profileVariable), strings.Join(args[1:], "-"), func() error { return helper(args[2:]) })
	} else {
		err = fmt.Errorf("no helper %q", args[1:])
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %s: %v\n", strings.Join(args, " "), err)
		return 1
	}
	return 0
}

// leastPairs is for an interval that means something.
const leastPairs = 10

type options struct {
	groups               []Group // with the chosen rows
	pairs                int
	seed                 uint64
	wait                 time.Duration
	json, doc, profile   string
	quick, noisy, strict bool
	write, list          bool
	group, row           string
}

func (s Suite) parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet(s.Command, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.group, "group", "", "only these `groups`, separated by commas")
	f.StringVar(&o.row, "row", "", "only rows whose name matches this regular `expression`")
	f.IntVar(&o.pairs, "pairs", 0, "pairs of samples a row, at least 10; with -quick any number, 2 by default")
	f.BoolVar(&o.quick, "quick", false, "few and short samples: shows that everything works, figures say nothing")
	f.Uint64Var(&o.seed, "seed", 0, "`number` from which the order of samples and what rows draw by lot follow; 0 picks one")
	f.BoolVar(&o.noisy, "noisy", false, "do not wait for the machine to become quiet")
	f.DurationVar(&o.wait, "wait", time.Minute, "how long to wait for a quiet machine before a row")
	f.StringVar(&o.json, "json", "", "write all results, every sample included, to this `file`")
	f.StringVar(&o.profile, "profile", "", "write CPU profiles of samples and their helpers to this `folder`, which costs a few per cent")
	f.BoolVar(&o.write, "write", false, "update the tables, plots and JSON files of the documentation")
	f.StringVar(&o.doc, "doc", s.Doc, "the Markdown `file` that -write updates")
	f.BoolVar(&o.strict, "strict", false, "exit with status 1 if a target is missed")
	f.BoolVar(&o.list, "list", false, "list the rows and their targets, and measure nothing")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if err := s.validate(); err != nil {
		return o, err
	}
	return o, o.complete(s)
}

func (o *options) complete(s Suite) (err error) {
	if o.groups, err = s.choose(o.group, o.row); err != nil {
		return err
	}
	if o.pairs == 0 {
		o.pairs = leastPairs
		if o.quick {
			o.pairs = 2
		}
	}
	switch {
	case o.pairs < 1 || o.pairs < leastPairs && !o.quick:
		return fmt.Errorf("-pairs %d: at least %d are needed for an interval; -quick allows fewer", o.pairs, leastPairs)
	case o.write && o.profile != "":
		return errors.New("-write and -profile: profiled samples are slower than others")
	case o.write && o.row != "":
		return errors.New("-write and -row: a table is written whole; choose with -group")
	case o.write && o.doc == "":
		return errors.New("-write: this suite has no document; name one with -doc")
	}
	for o.seed == 0 {
		o.seed = rand.Uint64() >> 11 // exact as a JSON number
	}
	return nil
}

// choose returns the groups with the rows that were asked for.
func (s Suite) choose(groups, row string) ([]Group, error) {
	match, err := regexp.Compile(row)
	if err != nil {
		return nil, fmt.Errorf("-row: %w", err)
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(groups, ",") {
		wanted[name] = true
	}
	var chosen []Group
	for _, g := range s.Groups {
		if groups != "" && !wanted[g.Name] {
			continue
		}
		delete(wanted, g.Name)
		all := g.Rows
		g.Rows = nil
		for _, r := range all {
			if match.MatchString(r.Name) {
				g.Rows = append(g.Rows, r)
			}
		}
		if len(g.Rows) > 0 {
			chosen = append(chosen, g)
		}
	}
	if groups != "" && len(wanted) > 0 {
		return nil, fmt.Errorf("-group: no group %s; -list shows them", strings.Join(sortedKeys(wanted), ", "))
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-row %q: no row has such a name; -list shows them", row)
	}
	return chosen, nil
}

func (s Suite) list(out io.Writer, o options) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	for _, g := range o.groups {
		fmt.Fprintf(w, "%s: %s\n", g.Name, g.Title)
		for _, r := range g.Rows {
			fmt.Fprintf(w, "  %s\t%s\t%v\t%s\n", r.Name, r.against(), r.Target, r.What)
		}
	}
}

// bench is one invocation.
type bench struct {
	options
	tools    *tools
	versions map[string]string // of the peers of the group at hand
	log      io.Writer
}

func (s Suite) run(o options, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "bench-built-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, tools: &tools{dir: dir, built: map[string]string{}}, log: stderr}
	report := Report{
		Format: reportFormat, Project: s.Name, Command: o.command(s.Command), Date: time.Now().UTC().Truncate(time.Second), Commit: commit(),
		Seed: o.seed, Pairs: o.pairs, Quick: o.quick, Machine: describeMachine(),
	}
	fmt.Fprintf(stdout, "%v; %d pairs a row, seed %d\n", report.Machine, o.pairs, o.seed)
	for _, g := range o.groups {
		b.versions = moduleVersions(g.Modules)
		result := GroupResult{Name: g.Name, Title: g.Title, Peers: b.versions}
		for _, r := range g.Rows {
			result.Rows = append(result.Rows, b.row(ctx, r))
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
		}
		report.Groups = append(report.Groups, result)
		fmt.Fprintf(stdout, "\n%s: %s\n\n", g.Name, g.Title)
		writeTable(stdout, s.Name, result)
	}
	return b.finish(report)
}

func (b *bench) row(ctx context.Context, r Row) Result {
	fmt.Fprintf(b.log, "%s: %s\n", r.Name, r.What)
	began := time.Now()
	res := b.measure(ctx, r)
	switch {
	case res.Error != "":
		fmt.Fprintf(b.log, "  failed: %s\n", res.Error)
	case res.Skipped != "":
		fmt.Fprintf(b.log, "  skipped: %s\n", res.Skipped)
	default:
		fmt.Fprintf(b.log, "  ratio %v, holds: %s, %.0f s\n", res.Value.Ratio, res.Verdict, time.Since(began).Seconds())
	}
	return res
}

func (b *bench) finish(r Report) error {
	if b.json != "" {
		if err := r.write(b.json); err != nil {
			return err
		}
	}
	if b.write {
		if err := publish(b.doc, r); err != nil {
			return err
		}
	}
	if r.has(func(row Result) bool { return row.Error != "" }) {
		return errors.New("not everything could be measured")
	}
	if b.strict && r.has(func(row Result) bool { return row.Verdict == Misses }) {
		return errors.New("-strict: a target is missed")
	}
	return nil
}

// command takes the same samples in the same order.
func (o options) command(program string) string {
	words := []string{program}
	if o.group != "" {
		words = append(words, "-group "+o.group)
	}
	if o.row != "" {
		words = append(words, fmt.Sprintf("-row '%s'", o.row))
	}
	if o.quick {
		words = append(words, "-quick")
	}
	return strings.Join(append(words, fmt.Sprintf("-pairs %d -seed %d", o.pairs, o.seed)), " ")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
