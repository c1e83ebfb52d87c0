// Command bench measures alknet beside what it is built on and prints ratios.
//
//	go run ./scripts/bench                    # everything, ten pairs a row
//	go run ./scripts/bench -row quic -pairs 20
//
// Times on a shared machine differ from run to run; a ratio of two samples
// taken one after the other does not. A row is therefore a number of pairs, us
// and the peer in an order drawn by lot, each sample in a process of its own.
// Printed is the median of the pairs' ratios with its 95 % interval, of the
// rate (or latency, or memory) and of the CPU time per operation. A target holds
// when the better end of the interval reaches it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"text/tabwriter"
)

func main() {
	if len(os.Args) == 4 && os.Args[1] == "sample" {
		exit(takeSample(os.Args[2], os.Args[3]))
	}
	if len(os.Args) > 2 && os.Args[1] == "idle-clients" {
		exit(idleClients(os.Args[2:]))
	}
	pairs := flag.Int("pairs", 10, "pairs of samples a row")
	only := flag.String("row", "", "rows whose name matches this regular `expression`")
	asJSON := flag.String("json", "", "also write every sample to this `file`")
	flag.Parse()
	exit(run(*pairs, *only, *asJSON))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// sample is what one process measured.
type sample struct {
	Value float64 `json:"value"` // in the row's unit
	CPU   float64 `json:"cpu"`   // seconds for one operation or one gigabyte; 0 if it says nothing
}

type result struct {
	Row   string      `json:"row"`
	Unit  string      `json:"unit"`
	Pairs [][2]sample `json:"pairs"` // us, the peer
	Value ratio       `json:"value_ratio"`
	CPU   ratio       `json:"cpu_ratio"`
	Holds bool        `json:"holds"`
}

func run(pairs int, only, file string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	var selected []row
	for _, r := range rows {
		if match.MatchString(r.name) {
			selected = append(selected, r)
		}
	}
	if slices.ContainsFunc(selected, func(r row) bool { return r.binaries }) {
		if err := prepare(); err != nil {
			return err
		}
		defer cleanUp()
	}
	fmt.Printf("%s/%s, %d cores, %s, %d pairs a row\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), pairs)
	var results []result
	for _, r := range selected {
		fmt.Fprintf(os.Stderr, "%s: %s\n", r.name, r.what)
		res, err := measure(r, pairs)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		results = append(results, res)
	}
	table(results)
	if file == "" {
		return nil
	}
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(raw, '\n'), 0o644)
}

func measure(r row, pairs int) (result, error) {
	res := result{Row: r.name, Unit: r.unit}
	for range pairs {
		var pair [2]sample
		first := rand.IntN(2)
		for _, which := range []int{first, 1 - first} {
			s, err := spawn(r.name, variants[which])
			if err != nil {
				return res, err
			}
			pair[which] = s
		}
		res.Pairs = append(res.Pairs, pair)
	}
	var value, cpu []float64
	for _, p := range res.Pairs {
		value = append(value, p[0].Value/p[1].Value)
		if p[1].CPU > 0 {
			cpu = append(cpu, p[0].CPU/p[1].CPU)
		}
	}
	res.Value, res.CPU = ratioOf(value), ratioOf(cpu)
	res.Holds = r.holds(res)
	return res, nil
}

var variants = [2]string{"alknet", "peer"}

// spawn takes one sample in a process of its own.
func spawn(row, variant string) (s sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	cmd := exec.Command(self, "sample", row, variant)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("sample of %s: %w", variant, err)
	}
	return s, json.Unmarshal(out, &s)
}

func takeSample(name, variant string) error {
	for _, r := range rows {
		if r.name != name {
			continue
		}
		s, err := r.sample(variant == variants[0])
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(s)
	}
	return fmt.Errorf("no row %q", name)
}

func table(results []result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| row\t| alknet\t| peer\t| ratio (95 %)\t| CPU ratio (95 %)\t| target\t| holds\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, res := range results {
		r := rowNamed(res.Row)
		var ours, peer []float64
		for _, p := range res.Pairs {
			ours, peer = append(ours, p[0].Value), append(peer, p[1].Value)
		}
		holds := "yes"
		if !res.Holds {
			holds = "**no**"
		}
		fmt.Fprintf(w, "| %s\t| %.4g %s\t| %.4g\t| %v\t| %v\t| %s\t| %s\t|\n",
			res.Row, median(ours), res.Unit, median(peer), res.Value, res.CPU, r.target(), holds)
	}
	w.Flush()
}
