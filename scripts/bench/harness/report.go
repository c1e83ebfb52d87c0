package harness

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// reportFormat changes when a reader of the JSON must.
const reportFormat = 1

// Report is the JSON form of results. It names the machine's kind but neither its
// name nor any path.
type Report struct {
	Format  int           `json:"format"`
	Project string        `json:"project"`
	Command string        `json:"command"` // that takes the same samples in the same order
	Date    time.Time     `json:"date"`
	Commit  string        `json:"commit,omitempty"` // with "-dirty" if files were changed
	Seed    uint64        `json:"seed"`
	Pairs   int           `json:"pairs"`
	Quick   bool          `json:"quick,omitempty"` // too short to be cited
	Machine Machine       `json:"machine"`
	Groups  []GroupResult `json:"groups"`
}

type GroupResult struct {
	Name  string            `json:"name"`
	Title string            `json:"title"`
	Peers map[string]string `json:"peers,omitempty"` // name to version
	Rows  []Result          `json:"rows"`
}

// Result is one row. A row that was skipped or failed has no pairs.
type Result struct {
	Name    string     `json:"name"`
	What    string     `json:"what"`
	Against string     `json:"against"`
	Unit    string     `json:"unit"`
	Target  Target     `json:"target"`
	Verdict Verdict    `json:"holds"`
	Value   Comparison `json:"value,omitzero"`
	CPU     Comparison `json:"cpu,omitzero"`    // seconds
	Allocs  Comparison `json:"allocs,omitzero"` // of one operation
	Memory  Comparison `json:"memory,omitzero"` // bytes
	Quiet   Quiet      `json:"quiet"`
	Skipped string     `json:"skipped,omitempty"`
	Error   string     `json:"error,omitempty"`
	Pairs   []Pair     `json:"pairs,omitempty"`
}

// Comparison has the median of each side, and the median of the pairs' ratios,
// which is not the ratio of the medians. It is zero if any sample lacks the figure.
type Comparison struct {
	Ours  float64 `json:"ours"`
	Peer  float64 `json:"peer"`
	Ratio Ratio   `json:"ratio"`
}

func (g GroupResult) failed() bool {
	return slices.ContainsFunc(g.Rows, func(r Result) bool { return r.Error != "" })
}

// skipped tells that nothing was measured.
func (g GroupResult) skipped() bool {
	return !slices.ContainsFunc(g.Rows, func(r Result) bool { return r.Skipped == "" })
}

func (r Report) has(bad func(Result) bool) bool {
	return slices.ContainsFunc(r.Groups, func(g GroupResult) bool { return slices.ContainsFunc(g.Rows, bad) })
}

func (r Report) write(file string) error {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return replaceFile(file, append(raw, '\n'))
}

func replaceFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
