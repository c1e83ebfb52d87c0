package harness

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
)

// The plot is written by hand: a forest plot is a dozen kinds of SVG elements,
// less than a plotting library takes to set up, and stays text and style sheet.

const (
	plotWidth   = 970
	plotLeft    = 210 // of the axis; a name of 24 letters fits before it
	plotRight   = 600
	plotTop     = 58
	plotLine    = 30 // height of a row
	targetText  = 775
	fontSize    = 13
	markHalf    = 9 // of the target's stroke
	squareHalf  = 5
	axisPadding = 1.08
)

const plotStyle = `
svg { font: 13px system-ui, sans-serif; color-scheme: light dark; background: #fff; }
text { fill: #1f2328; } .dim { fill: #59636e; } .title { font-weight: 600; font-size: 15px; } .end { text-anchor: end; } .mid { text-anchor: middle; }
.grid { stroke: #d1d9e0; } .one { stroke: #59636e; stroke-width: 1.5; }
.yes { stroke: #1a7f37; fill: #1a7f37; } .no { stroke: #d1242f; fill: #d1242f; } .none, .unknown { stroke: #0969da; fill: #0969da; }
.interval { stroke-width: 2; } .mark { stroke: #9a6700; fill: #9a6700; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
 svg { background: #0d1117; }
 text { fill: #f0f6fc; } .dim { fill: #9198a1; } .grid { stroke: #3d444d; } .one { stroke: #9198a1; }
 .yes { stroke: #3fb950; fill: #3fb950; } .no { stroke: #f85149; fill: #f85149; } .none, .unknown { stroke: #4493f8; fill: #4493f8; }
 .mark { stroke: #d29922; fill: #d29922; }
}
`

// writePlot draws a group as SVG: a line a row, the ratio with its interval on a
// logarithmic axis, and the bound of the target with a flag that points to the side
// that keeps it. Green keeps its target, red misses it, blue has none.
func writePlot(out io.Writer, project string, g GroupResult) error {
	height := plotTop + plotLine*len(g.Rows) + 50
	p := &plot{scale: newScale(g)}
	p.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		plotWidth, height, plotWidth, height, escape(g.Title))
	p.add(`<style>%s</style>`, plotStyle)
	p.text(12, 24, "title", g.Title)
	p.text(12, 42, "dim", fmt.Sprintf("%s over the peer with the 95 %% interval; the flag is the target and points to the side that keeps it", project))
	p.axis(plotTop + plotLine*len(g.Rows))
	for i, r := range g.Rows {
		p.row(float64(plotTop+plotLine*i+plotLine/2), r)
	}
	p.add(`</svg>`)
	_, err := out.Write(p.Bytes())
	return err
}

type plot struct {
	bytes.Buffer
	scale scale
}

func (p *plot) add(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *plot) text(x, y float64, class, text string) {
	p.add(`<text x="%.1f" y="%.1f" class="%s">%s</text>`, x, y, class, escape(text))
}

func (p *plot) axis(bottom int) {
	for _, t := range p.scale.ticks() {
		x, class := p.scale.x(t), "grid"
		if t == 1 {
			class = "one"
		}
		p.add(`<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" class="%s"/>`, x, plotTop, x, bottom+4, class)
		p.text(x, float64(bottom+20), "dim mid", fmt.Sprintf("%g", t))
	}
	p.text(float64(plotLeft+plotRight)/2, float64(bottom+38), "dim mid", "ratio, logarithmic")
}

func (p *plot) row(y float64, r Result) {
	base := y + fontSize*0.35
	p.add(`<g><title>%s</title>`, escape(r.What))
	name := r.Name
	if !r.Quiet.quiet() {
		name += " *"
	}
	p.text(plotLeft-14, base, "end", name)
	switch ratio := r.Value.Ratio; {
	case r.Skipped != "":
		p.text(plotRight+16, base, "dim", "skipped")
	case !ratio.measured():
		p.text(plotRight+16, base, "dim", "failed")
	default:
		p.target(y, r.Target)
		x := p.scale.x(ratio.Median)
		p.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="interval %s"/>`, p.scale.x(ratio.Low), y, p.scale.x(ratio.High), y, r.Verdict)
		p.add(`<rect x="%.1f" y="%.1f" width="%d" height="%d" class="%s"/>`, x-squareHalf, y-squareHalf, 2*squareHalf, 2*squareHalf, r.Verdict)
		p.text(plotRight+16, base, "", ratio.String())
	}
	p.text(targetText, base, "dim", r.Target.String())
	p.add(`</g>`)
}

func (p *plot) target(y float64, t Target) {
	for _, b := range []struct{ bound, side float64 }{{t.AtLeast, 1}, {t.AtMost, -1}} {
		if b.bound == 0 {
			continue
		}
		x := p.scale.x(b.bound)
		p.add(`<path d="M%.1f %.1fv%d m0 -%dl%.1f 4l%.1f 4z" class="mark"/>`, x, y-markHalf, 2*markHalf, 2*markHalf, 6*b.side, -6*b.side)
	}
}

// scale maps ratios to the logarithmic axis.
type scale struct{ low, high float64 }

// newScale makes room for every interval and target, and for 1.
func newScale(g GroupResult) scale {
	s := scale{1, 1}
	for _, r := range g.Rows {
		for _, v := range []float64{r.Value.Ratio.Low, r.Value.Ratio.High, r.Target.AtLeast, r.Target.AtMost} {
			if v > 0 {
				s.low, s.high = min(s.low, v), max(s.high, v)
			}
		}
	}
	pad := math.Pow(s.high/s.low, 0.03) * axisPadding
	return scale{s.low / pad, s.high * pad}
}

func (s scale) x(v float64) float64 {
	return plotLeft + (plotRight-plotLeft)*math.Log(v/s.low)/math.Log(s.high/s.low)
}

// ticks are the finest of a few subdivisions that the axis has room for.
func (s scale) ticks() []float64 {
	const atMost = 9
	var ticks []float64
	for _, digits := range [][]float64{
		{1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 5, 7}, {1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9},
		{1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 8.5, 9, 9.5},
		{1, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 2, 3, 4, 5, 6, 7, 7.5, 8, 8.5, 9, 9.5},
		{1, 1.02, 1.04, 1.06, 1.08, 1.1, 1.15, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8, 8.5, 9, 9.2, 9.4, 9.6, 9.8},
		{1, 1.01, 1.02, 1.03, 1.04, 1.05, 1.1, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8, 9, 9.5, 9.6, 9.7, 9.8, 9.9},
	} {
		next := s.within(digits)
		if len(next) > atMost && len(ticks) > 0 {
			break
		}
		ticks = next
	}
	return ticks
}

func (s scale) within(digits []float64) []float64 {
	var found []float64
	for e := math.Floor(math.Log10(s.low)); e <= math.Log10(s.high); e++ {
		for _, d := range digits {
			// Dividing by a power of ten is exact where multiplying by 0.01 is not.
			v := d * math.Pow(10, e)
			if e < 0 {
				v = d / math.Pow(10, -e)
			}
			if v >= s.low && v <= s.high {
				found = append(found, v)
			}
		}
	}
	return found
}

func escape(text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(text)) // a buffer takes everything
	return b.String()
}
