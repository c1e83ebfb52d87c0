package harness

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
)

// Pair is one sample of each side, taken one after the other.
type Pair struct {
	First string `json:"first"` // "ours" or "peer", by lot
	Seed  uint64 `json:"seed"`  // of both
	Ours  Taken  `json:"ours"`
	Peer  Taken  `json:"peer"`
}

// measure never fails: what went wrong is in the result.
func (b *bench) measure(ctx context.Context, r Row) Result {
	res := newResult(r)
	setup, err := b.prepare(ctx, r)
	if err != nil {
		res.giveUp(err)
		return res
	}
	defer setup.close()
	maps.Copy(b.versions, setup.versions)
	waited := b.waitForQuiet(ctx)
	before := takeActivity()
	for i := range b.options.pairs {
		pair, err := b.pair(ctx, r, setup, i)
		if err != nil {
			res.giveUp(fmt.Errorf("pair %d: %w", i+1, err))
			if crash := (*crashError)(nil); errors.As(err, &crash) {
				fmt.Fprintf(b.log, "%s\n", crash.stderr)
			}
			return res
		}
		res.Pairs = append(res.Pairs, pair)
	}
	res.Quiet = before.until(takeActivity())
	res.Quiet.Waited = waited.Seconds()
	res.evaluate(r.Target)
	return res
}

func (b *bench) pair(ctx context.Context, r Row, setup *Setup, number int) (p Pair, err error) {
	lot := lots(b.options.seed, r.Name, number)
	p = Pair{First: ours, Seed: lot.Uint64() >> 11} // exact as a JSON number
	order := [2]string{ours, peer}
	if lot.IntN(2) == 1 {
		p.First, order = peer, [2]string{peer, ours}
	}
	for _, side := range order {
		into := &p.Ours
		if side == peer {
			into = &p.Peer
		}
		if *into, err = b.sample(ctx, r, setup, side, p.Seed); err != nil {
			return p, fmt.Errorf("%s: %w", side, err)
		}
	}
	return p, nil
}

// lots depends on the row's name, not on which other rows are measured.
func lots(seed uint64, row string, pair int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", row, pair)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func (b *bench) sample(ctx context.Context, r Row, setup *Setup, side string, seed uint64) (Taken, error) {
	dir, err := setup.sampleDir()
	if err != nil {
		return Taken{}, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := r.context(ctx)
	defer cancel()
	return take(ctx, request{Row: r.Name, Side: side, Seed: seed, Quick: b.options.quick, Profile: b.options.profile, Dir: dir, Values: setup.values})
}

func newResult(r Row) Result {
	return Result{Name: r.Name, What: r.What, Against: r.against(), Unit: r.unit(), Target: r.Target, Verdict: NoTarget}
}

func (res *Result) giveUp(err error) {
	res.Pairs, res.Verdict = nil, Unknown
	if skip := (*skipError)(nil); errors.As(err, &skip) {
		res.Skipped = skip.reason
	} else {
		res.Error = err.Error()
	}
}

func (res *Result) evaluate(t Target) {
	res.Value = res.compare(func(s Taken) float64 { return s.Value })
	res.CPU = res.compare(res.cpu())
	res.Allocs = res.compare(func(s Taken) float64 { return s.Allocs })
	res.Memory = res.compare(func(s Taken) float64 { return float64(s.Peak) })
	res.Verdict = t.judge(res.Value.Ratio, res.CPU.Ratio, res.Memory.Ratio)
}

// cpu is what the samples say of one operation or, unless all of them do, of the
// whole process.
func (res *Result) cpu() func(Taken) float64 {
	whole := slices.ContainsFunc(res.Pairs, func(p Pair) bool { return p.Ours.CPU == 0 || p.Peer.CPU == 0 })
	return func(s Taken) float64 {
		if whole && s.CPU >= 0 {
			return s.ProcessCPU
		}
		return s.CPU
	}
}

// compare is zero unless all samples have the figure.
func (res *Result) compare(figure func(Taken) float64) Comparison {
	var mine, theirs, ratios []float64
	for _, p := range res.Pairs {
		a, b := figure(p.Ours), figure(p.Peer)
		if a <= 0 || b <= 0 {
			return Comparison{}
		}
		mine, theirs, ratios = append(mine, a), append(theirs, b), append(ratios, a/b)
	}
	return Comparison{Median(mine), Median(theirs), ratioOf(ratios)}
}
