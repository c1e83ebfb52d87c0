package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// Run is a sample in progress. A Measure uses it from one goroutine.
type Run struct {
	ctx     context.Context
	request request
	dir     string
}

// Context ends when the sample has taken too long or the harness is interrupted.
func (r *Run) Context() context.Context { return r.ctx }

// Dir is an empty folder of this sample's own, removed afterwards.
func (r *Run) Dir() string { return r.dir }

// Seed differs from pair to pair and is the same for both sides of a pair.
func (r *Run) Seed() uint64 { return r.request.Seed }

// Value is what the row's Setup set, or "".
func (r *Run) Value(key string) string { return r.request.Values[key] }

// Scale returns n, or with -quick a twentieth of it (at least 1), for counts that
// make a figure steady and a run long.
func (r *Run) Scale(n int) int {
	if r.request.Quick && n > 0 {
		return max(1, n/20)
	}
	return n
}

// Command is exec.CommandContext for a program that ends with the sample. Its
// output goes nowhere and its errors to standard error unless changed.
func (r *Run) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.ctx, name, args...)
	cmd.Stderr = os.Stderr
	dieWithParent(cmd)
	return cmd
}

// Helper is Command for one of the suite's Helpers.
func (r *Run) Helper(name string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := r.Command(self, append([]string{helperMode, name}, args...)...)
	if r.request.Profile != "" {
		cmd.Env = append(os.Environ(), profileVariable+"="+r.request.Profile)
	}
	return cmd, nil
}

// Rate does warm operations, then n more, all scaled, and returns how many of
// the n were done in a second, with the CPU time of one.
func (r *Run) Rate(warm, n int, op func() error) (Sample, error) {
	if err := repeat(r.Scale(warm), op); err != nil {
		return Sample{}, err
	}
	n = r.Scale(n)
	w := StartWatch()
	if err := repeat(n, op); err != nil {
		return Sample{}, err
	}
	wall, cpu := w.Stop()
	return Sample{Value: float64(n) / wall.Seconds(), CPU: cpu.Seconds() / float64(n)}, nil
}

// Latency does warm operations, then n more, all scaled, and returns the median
// time of the n in the given unit, with the CPU time of one.
func (r *Run) Latency(unit time.Duration, warm, n int, op func() error) (Sample, error) {
	if err := repeat(r.Scale(warm), op); err != nil {
		return Sample{}, err
	}
	n = r.Scale(n)
	times := make([]float64, 0, n)
	w := StartWatch()
	err := repeat(n, func() error {
		began := time.Now()
		err := op()
		times = append(times, float64(time.Since(began))/float64(unit))
		return err
	})
	if err != nil {
		return Sample{}, err
	}
	_, cpu := w.Stop()
	return Sample{Value: Median(times), CPU: cpu.Seconds() / float64(n)}, nil
}

// Throughput moves n bytes, scaled, and returns MB/s (10^6 bytes) with the CPU
// time of a gigabyte (10^9).
func (r *Run) Throughput(n int, move func(n int64) error) (Sample, error) {
	n = r.Scale(n)
	w := StartWatch()
	if err := move(int64(n)); err != nil {
		return Sample{}, err
	}
	wall, cpu := w.Stop()
	return Sample{Value: float64(n) / 1e6 / wall.Seconds(), CPU: cpu.Seconds() / (float64(n) / 1e9)}, nil
}

func repeat(n int, op func() error) error {
	for i := range n {
		if err := op(); err != nil {
			return fmt.Errorf("operation %d: %w", i+1, err)
		}
	}
	return nil
}

// Stopwatch measures wall time and the CPU time of this process.
type Stopwatch struct {
	began time.Time
	cpu   time.Duration
}

func StartWatch() Stopwatch { return Stopwatch{time.Now(), ownCPU()} }

// Stop may be called again.
func (w Stopwatch) Stop() (wall, cpu time.Duration) {
	return time.Since(w.began), ownCPU() - w.cpu
}
