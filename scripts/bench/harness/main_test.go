package harness_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

func TestMain(m *testing.M) {
	if harness.IsChild() {
		os.Exit(toys().Main())
	}
	// The race detector would keep every sample's process for a second after its end.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// toys has a row for each thing that can happen to one.
func toys() harness.Suite {
	value := func(v float64) harness.Measure {
		return func(*harness.Run) (harness.Sample, error) { return harness.Sample{Value: v}, nil }
	}
	fails := func(*harness.Run) (harness.Sample, error) { return harness.Sample{}, errors.New("out of | order") }
	return harness.Suite{
		Name: "toys", Command: "go run ./toys",
		Helpers: map[string]func([]string) error{"say": func(args []string) error {
			_, err := fmt.Println(args)
			return err
		}},
		Groups: []harness.Group{
			{Name: "good", Title: "Rows that work & <hold>", Rows: []harness.Row{
				{Name: "twice", What: "twice as fast", Unit: "/s", Ours: value(2), Peer: value(1), Target: harness.Target{AtLeast: 1.5}},
				{Name: "seeded", What: "the lots", Ours: seeded, Peer: seeded, Target: harness.Target{AtMost: 1}},
				{Name: "set-up", What: "a value and a folder from Setup", Setup: setUp, Ours: fromSetup, Peer: fromSetup},
				{Name: "looped", What: "the three loops", Ours: looped, Peer: looped},
				{Name: "chatty", What: "prints and has a helper", Ours: chatty, Peer: chatty},
			}},
			{Name: "programs", Title: "Whole programs", Rows: []harness.Row{
				{Name: "go", What: "a program and itself", Setup: goProgram,
					Ours: harness.Repeat(3, harness.Program("${go}", "env", "GOOS")), Peer: harness.Program("${go}", "env", "GOARCH")},
			}},
			{Name: "poor", Title: "Rows that miss or cannot be measured", Rows: []harness.Row{
				{Name: "misses", Ours: value(1), Peer: value(2), Target: harness.Target{AtLeast: 0.9}},
				{Name: "skips", Setup: func(*harness.Setup) error { return harness.Skip("no frobnicator") }, Ours: fails, Peer: fails},
				{Name: "skips-late", Ours: skips, Peer: skips},
			}},
			{Name: "absent", Title: "Rows that cannot be measured", Rows: []harness.Row{{Name: "skips-too", Ours: skips, Peer: skips}}},
			{Name: "bad", Title: "Rows that fail", Rows: []harness.Row{
				{Name: "fails", Ours: fails, Peer: fails},
				{Name: "fails-set-up", Setup: func(*harness.Setup) error { return errors.New("no such thing") }, Ours: fails, Peer: fails},
				{Name: "zero", Ours: value(0), Peer: value(0)},
				{Name: "panics", Ours: panics, Peer: panics},
				{Name: "hangs", Timeout: 100 * time.Millisecond, Ours: hangs, Peer: hangs},
				{Name: "unset", Ours: harness.Program("${nothing}"), Peer: harness.Program("${nothing}")},
			}},
		},
	}
}

func skips(*harness.Run) (harness.Sample, error) { return harness.Sample{}, harness.Skip("no luck") }

func panics(*harness.Run) (harness.Sample, error) { panic("at the disco") }

func hangs(*harness.Run) (harness.Sample, error) { select {} }

func seeded(r *harness.Run) (harness.Sample, error) {
	return harness.Sample{Value: float64(r.Seed()%1000 + 1), CPU: -1, Peak: -1}, nil
}

func setUp(s *harness.Setup) error {
	s.Set("greeting", "hello")
	return os.WriteFile(s.Dir()+"/file", []byte("x"), 0o600)
}

func fromSetup(r *harness.Run) (harness.Sample, error) {
	if r.Value("greeting") != "hello" {
		return harness.Sample{}, fmt.Errorf("value: %q", r.Value("greeting"))
	}
	left, err := os.ReadDir(r.Dir())
	if err != nil || len(left) > 0 {
		return harness.Sample{}, fmt.Errorf("the folder of a sample holds %v, %w", left, err)
	}
	return harness.Sample{Value: 1, CPU: 1e-6, Allocs: 3, Peak: 1 << 20}, os.WriteFile(r.Dir()+"/rest", nil, 0o600)
}

func looped(r *harness.Run) (harness.Sample, error) {
	var done int
	op := func() error { done++; return nil }
	if _, err := r.Rate(20, 200, op); err != nil || done != 1+10 {
		return harness.Sample{}, fmt.Errorf("rate: %d operations, %w", done, err)
	}
	if _, err := r.Latency(time.Microsecond, 0, 100, op); err != nil || done != 11+5 {
		return harness.Sample{}, fmt.Errorf("latency: %d operations, %w", done, err)
	}
	return r.Throughput(2000, func(n int64) error {
		if n != 100 {
			return fmt.Errorf("throughput: %d bytes", n)
		}
		return nil
	})
}

func chatty(r *harness.Run) (harness.Sample, error) {
	fmt.Println("this must not end up in the answer")
	cmd, err := r.Helper("say", "a", "b")
	if err != nil {
		return harness.Sample{}, err
	}
	out, err := cmd.Output()
	if err != nil || string(out) != "[a b]\n" {
		return harness.Sample{}, fmt.Errorf("helper: %q, %w", out, err)
	}
	return harness.Sample{Value: 1}, nil
}

func goProgram(s *harness.Setup) error {
	return s.SystemPeer("go", "go", "golang-go", "version")
}
