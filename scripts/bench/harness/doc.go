// Package harness compares a program with its peers and says, with an interval,
// which of its targets hold. It needs the standard library only.
//
// Times on a shared machine differ from run to run by a factor of two; the ratio of
// two samples taken one after the other does not. So there are no absolute figures
// here but pairs:
//
//   - A [Row] is a number of pairs, ours and the peer's, in an order drawn by lot
//     from a seed that is printed. Every sample is a process of its own: this
//     program, started again.
//   - The result is the median of the pairs' ratios with its 95 % interval, see
//     [Ratio], for the value itself, for CPU time and for peak memory. A target
//     holds if the better end of the interval reaches it.
//   - CPU time of one operation is taken inside the sample, around what is measured
//     ([Run.Rate] and its like do that); the CPU time of the whole process with its
//     children comes from the operating system, as does that of a [Program].
//   - Peak memory is the resident set of the largest process of the sample, on Linux
//     only. ru_maxrss alone is not right: a child inherits the peak of the process
//     that started it. usage_linux.go tells what is done instead.
//   - Before each row the harness waits, for a bounded time, until other programs
//     leave the machine alone, and it measures what they did while the row ran. A row
//     that was disturbed is marked, not hidden. This too needs Linux.
//
// # Use
//
//	func main() {
//		os.Exit(harness.Suite{
//			Name: "mine", Command: "go run ./bench", Doc: "docs/benchmarks.md",
//			Groups: []harness.Group{{Name: "files", Title: "Archives", Rows: []harness.Row{{
//				Name: "pack", What: "a source tree of 40 MB, beside tar", Against: "tar",
//				Setup: tools, Target: harness.Target{AtMost: 0.8, MemoryAtMost: 1},
//				Ours: harness.Program("${mine}", "pack", "${dir}/out", "${tree}"),
//				Peer: harness.Program("${tar}", "cf", "${dir}/out", "${tree}"),
//			}}}},
//		}.Main())
//	}
//
// where tools is a [Setup] function that builds or finds the programs. For code in
// this process a [Measure] is a function that prepares, calls [Run.Rate],
// [Run.Latency] or [Run.Throughput], and returns. The document has two lines for
// each group, which -write tells where they are missing; it puts the table there
// and JSON and a plot beside it.
//
// # Limits
//
// Pairs cancel what lasts longer than a pair, nothing shorter. Ten pairs tell 2 %
// only on a quiet machine. The interval is about this run: another machine, or the
// same one tomorrow, is not inside it. A row compares two programs as they were set
// up by whoever wrote it; the report says what it knows of versions and machine and
// cannot say whether the peer was set up well.
package harness
