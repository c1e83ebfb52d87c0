package harness

import (
	"context"
	"fmt"
	"time"
)

// Quiet tells what else the machine did while a row was measured, as shares of
// the time of all its cores. Where the system does not tell (Linux does), and where
// the row was too short to tell, Known is false and the rest is zero.
type Quiet struct {
	Known  bool    `json:"known"`
	Others float64 `json:"others"` // of programs that the harness did not start
	Steal  float64 `json:"steal"`  // of other virtual machines
	Load   float64 `json:"load"`   // of one minute, at the end; it counts the row's own work
	Waited float64 `json:"waited"` // seconds for the machine to become quiet, before the row
}

// What a quiet machine may do beside a row.
const (
	othersAtMost = 0.05
	stealAtMost  = 0.02
	shortest     = 0.4 // seconds of all cores
)

func (q Quiet) quiet() bool {
	return !q.Known || q.Others <= othersAtMost && q.Steal <= stealAtMost
}

func (q Quiet) String() string {
	if !q.Known {
		return "unknown"
	}
	return fmt.Sprintf("others %.0f %%, steal %.0f %%, load %.1f", 100*q.Others, 100*q.Steal, q.Load)
}

// activity is CPU time since the system started, in seconds, and what part of it
// this process and its children had.
type activity struct {
	known            bool
	all, busy, steal float64
	own              float64
	load             float64
}

// until compares CPU time that the kernel samples by clock ticks (busy) with time
// that it measures exactly (own), so what took only a few ticks is not judged.
// A program that a Setup started and that has detached itself counts as another's.
func (a activity) until(b activity) Quiet {
	passed := b.all - a.all
	if !a.known || !b.known || passed < shortest {
		return Quiet{}
	}
	others := (b.busy - a.busy) - (b.own - a.own)
	return Quiet{
		Known:  true,
		Others: max(0, others) / passed,
		Steal:  max(0, b.steal-a.steal) / passed,
		Load:   b.load,
	}
}

const quietWindow = 500 * time.Millisecond

// waitForQuiet gives up after the time that the options allow, and then the row
// is measured nevertheless: what its own Quiet says is in the report.
func (b *bench) waitForQuiet(ctx context.Context) time.Duration {
	began := time.Now()
	if b.options.noisy {
		return 0
	}
	for told := false; ; {
		before := takeActivity()
		select {
		case <-ctx.Done():
			return time.Since(began)
		case <-time.After(quietWindow):
		}
		now := before.until(takeActivity())
		waited := time.Since(began)
		if now.quiet() {
			return max(0, waited-quietWindow)
		}
		if waited >= b.options.wait {
			fmt.Fprintf(b.log, "  the machine is not quiet after %v: %v\n", b.options.wait, now)
			return waited
		}
		if !told {
			told = true
			fmt.Fprintf(b.log, "  waiting up to %v for a quiet machine (-noisy does not): %v\n", b.options.wait, now)
		}
	}
}
