package harness

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Program measures a command from its start to its end: Value in milliseconds,
// CPU in seconds, and the peak memory of it and its children. In the name and the
// arguments ${dir} stands for [Run.Dir], which is also the working directory, and
// ${key} for what Setup set. Its output is thrown away; if it fails, the end of
// what it wrote to standard error is in the error.
func Program(name string, args ...string) Measure {
	return func(r *Run) (Sample, error) {
		words, err := r.expand(append([]string{name}, args...))
		if err != nil {
			return Sample{}, err
		}
		cmd := r.Command(words[0], words[1:]...)
		cmd.Dir = r.Dir()
		var complaint tail
		cmd.Stderr = &complaint
		began := time.Now()
		if err := cmd.Start(); err != nil {
			return Sample{}, err
		}
		peak := watchPeak(cmd.Process.Pid)
		err = cmd.Wait()
		wall := time.Since(began)
		if err != nil {
			return Sample{}, fmt.Errorf("%s: %w: %s", name, err, complaint.text())
		}
		return Sample{Value: wall.Seconds() * 1e3, CPU: cpuOf(cmd.ProcessState), Peak: peak(cmd.ProcessState)}, nil
	}
}

// Repeat measures n times, scaled, each time in an empty folder. The sample is
// the median of the values, the mean of the CPU times and the highest peak.
func Repeat(n int, measure Measure) Measure {
	return func(r *Run) (Sample, error) {
		var values []float64
		var sum Sample
		for range r.Scale(n) {
			s, err := once(*r, measure)
			if err != nil {
				return Sample{}, err
			}
			values = append(values, s.Value)
			sum.CPU += s.CPU
			if sum.Peak == 0 || s.Peak > sum.Peak {
				sum.Peak = s.Peak
			}
		}
		return Sample{Value: Median(values), CPU: sum.CPU / float64(len(values)), Peak: sum.Peak}, nil
	}
}

func once(r Run, measure Measure) (s Sample, err error) {
	if r.dir, err = os.MkdirTemp(r.dir, ""); err != nil {
		return s, err
	}
	defer os.RemoveAll(r.dir)
	return measure(&r)
}

// Constant is a peer that is a limit instead of a program.
func Constant(value float64) Measure {
	return func(*Run) (Sample, error) { return Sample{Value: value, CPU: -1, Peak: -1}, nil }
}

func (r *Run) expand(words []string) ([]string, error) {
	var missing error
	expanded := make([]string, len(words))
	for i, w := range words {
		expanded[i] = os.Expand(w, func(key string) string {
			if key == "dir" {
				return r.dir
			}
			value, ok := r.request.Values[key]
			if !ok {
				missing = fmt.Errorf("${%s}: Setup has not set it", key)
			}
			return value
		})
	}
	return expanded, missing
}

func cpuOf(p *os.ProcessState) float64 { return (p.UserTime() + p.SystemTime()).Seconds() }

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	const limit = 2048
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - limit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) text() string { return strings.TrimSpace(string(t.kept)) }
