package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The program starts itself anew for each sample and each helper, with one of
// these as its first argument.
const (
	sampleMode = "harness-sample"
	helperMode = "harness-helper"
)

const (
	ours = "ours"
	peer = "peer"
)

// request is the first line of a sample's standard input, which then stays open
// for as long as the parent lives.
type request struct {
	Row     string            `json:"row"`
	Side    string            `json:"side"`
	Seed    uint64            `json:"seed"`
	Quick   bool              `json:"quick"`
	Profile string            `json:"profile"` // folder
	Dir     string            `json:"dir"`
	Values  map[string]string `json:"values"`
}

// answer is all of a sample's standard output.
type answer struct {
	Sample
	Error string `json:"error,omitempty"`
	Skip  string `json:"skip,omitempty"`
}

// Taken is a sample with what the operating system says of its process.
type Taken struct {
	Sample
	ProcessCPU float64 `json:"process_cpu"` // seconds, user and system, children included
	Wall       float64 `json:"wall"`        // seconds from the start of the process to its end
}

// take runs one sample in a process of its own.
func take(ctx context.Context, q request) (t Taken, err error) {
	self, err := os.Executable()
	if err != nil {
		return t, err
	}
	cmd := exec.CommandContext(ctx, self, sampleMode)
	cmd.WaitDelay = 5 * time.Second
	complaint := new(head)
	cmd.Stderr = complaint
	dieWithParent(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return t, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return t, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return t, err
	}
	var a answer
	asked := json.NewEncoder(in).Encode(q)
	answered := json.NewDecoder(out).Decode(&a)
	ended := cmd.Wait() // closes in: its end tells a sample that the parent died
	if ctx.Err() != nil {
		return t, fmt.Errorf("%w after %v", context.Cause(ctx), time.Since(began).Round(time.Millisecond))
	}
	if err := errors.Join(asked, answered, ended); err != nil {
		return t, &crashError{err, complaint.String()}
	}
	t = Taken{a.Sample, cpuOf(cmd.ProcessState), time.Since(began).Seconds()}
	return t, a.check()
}

func (a answer) check() error {
	switch {
	case a.Skip != "":
		return &skipError{a.Skip}
	case a.Error != "":
		return errors.New(a.Error)
	case !(a.Value > 0) || math.IsInf(a.Value, 0):
		return fmt.Errorf("measured %v: want a positive, finite value", a.Value)
	}
	return nil
}

// crashError is of a sample that ended without an answer.
type crashError struct {
	error
	stderr string
}

func (e *crashError) Error() string {
	return fmt.Sprintf("sample process: %s", strings.ReplaceAll(e.error.Error(), "\n", ", "))
}

func (e *crashError) Unwrap() error { return e.error }

// head keeps the beginning of what is written to it, where a panic tells why.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	const limit = 4096
	h.Buffer.Write(p[:max(0, min(len(p), limit-h.Len()))])
	return len(p), nil
}

// takeSample is the other end of take.
func (s Suite) takeSample(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("this mode is for the harness only: %w", err)
	}
	var q request
	if err := json.Unmarshal(line, &q); err != nil {
		return err
	}
	r, err := s.row(q.Row)
	if err != nil {
		return err
	}
	ctx, cancel := r.context(context.Background())
	defer cancel()
	go func() { // ends with the process
		io.Copy(io.Discard, lines)
		os.Exit(1)
	}()
	measure := r.Ours
	if q.Side == peer {
		measure = r.Peer
	}
	var a answer
	if err := profiled(q.Profile, q.Row+"-"+q.Side, func() error {
		a = answerOf(measure(&Run{ctx: ctx, request: q, dir: q.Dir}))
		return nil
	}); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(a)
}

func answerOf(s Sample, err error) answer {
	skip := (*skipError)(nil)
	switch {
	case errors.As(err, &skip):
		return answer{Skip: skip.reason}
	case err != nil:
		return answer{Error: err.Error()}
	case s.Peak == 0:
		s.Peak = max(ownPeak(), childrenPeak())
	}
	for _, figure := range []*float64{&s.Value, &s.CPU, &s.Allocs} {
		if math.IsNaN(*figure) || math.IsInf(*figure, 0) { // JSON knows neither
			*figure = -1
		}
	}
	return answer{Sample: s}
}
