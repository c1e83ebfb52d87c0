package harness

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// writeTable writes a group as Markdown that is also readable as it is.
func writeTable(out io.Writer, project string, g GroupResult) {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	line := func(cells ...string) { fmt.Fprintln(w, "| "+strings.Join(cells, "\t| ")+"\t|") }
	counted := slices.ContainsFunc(g.Rows, func(r Result) bool { return r.Allocs.Ratio.measured() })
	head := []string{"row", cell(project), "peer", "ratio (95 %)", "CPU (95 %)", "peak memory (95 %)", "target", "holds"}
	if counted {
		head = slices.Insert(head, 5, "allocations (95 %)")
	}
	line(head...)
	line(slices.Repeat([]string{"---"}, len(head))...)
	var notes []string
	for _, r := range g.Rows {
		name := r.Name
		switch {
		case r.Skipped != "":
			line(incomplete(len(head), name, "skipped: "+cell(r.Skipped), r.Target)...)
			continue
		case r.Error != "":
			line(incomplete(len(head), name, "**failed**: "+cell(r.Error), r.Target)...)
			continue
		case !r.Quiet.quiet():
			name += " *"
			notes = append(notes, fmt.Sprintf("%s (%v)", r.Name, r.Quiet))
		}
		cells := []string{name, fmt.Sprintf("%.4g %s", r.Value.Ours, cell(r.Unit)), fmt.Sprintf("%.4g", r.Value.Peer),
			r.Value.Ratio.String(), r.CPU.Ratio.String(), memoryCell(r.Memory), cell(r.Target.String()), r.Verdict.cell()}
		if counted {
			cells[4] = operationCell(r)
			cells = slices.Insert(cells, 5, allocsCell(r.Allocs))
		}
		line(cells...)
	}
	w.Flush()
	if len(notes) > 0 {
		fmt.Fprintf(out, "\n\\* The machine was not quiet: %s.\n", strings.Join(notes, "; "))
	}
}

func incomplete(columns int, name, reason string, t Target) []string {
	cells := make([]string, columns)
	cells[0], cells[1], cells[columns-2] = name, reason, cell(t.String())
	return cells
}

// operationCell has the time of one operation if that is what was measured.
func operationCell(r Result) string {
	if !r.Allocs.Ratio.measured() {
		return r.CPU.Ratio.String()
	}
	return fmt.Sprintf("%v, %.3g µs", r.CPU.Ratio, r.CPU.Ours*1e6)
}

func allocsCell(c Comparison) string {
	if !c.Ratio.measured() {
		return "-"
	}
	return fmt.Sprintf("%v, %.3g", c.Ratio, c.Ours)
}

func memoryCell(c Comparison) string {
	if !c.Ratio.measured() {
		return "-"
	}
	return fmt.Sprintf("%v, %.3g MiB", c.Ratio, c.Ours/(1<<20))
}

func (v Verdict) cell() string {
	switch v {
	case Misses:
		return "**no**"
	case NoTarget:
		return ""
	}
	return string(v)
}

// cell keeps text on one line of one column.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// writeBlock writes what stands between the marks of a group.
func writeBlock(out io.Writer, r Report, g GroupResult, figure string) {
	if r.Quick {
		fmt.Fprint(out, "**A quick run, which shows that the bench works; its figures say nothing.**\n\n")
	}
	writeTable(out, r.Project, g)
	fmt.Fprintf(out, "\n![%s: ratios with their 95 %% intervals](%s)\n\n", g.Title, figure)
	for _, row := range g.Rows {
		fmt.Fprintf(out, "- %s: %s (peer: %s)\n", row.Name, cell(row.What), cell(row.Against))
	}
	fmt.Fprintf(out, "\n%s.\n", r.origin(g))
}

// origin is a sentence without its full stop.
func (r Report) origin(g GroupResult) string {
	text := fmt.Sprintf("`%s`, %s", r.Command, r.Date.Format("2 January 2006"))
	if r.Commit != "" {
		text += ", commit " + r.Commit
	}
	text += "; " + r.Machine.String()
	for _, name := range sortedKeys(g.Peers) {
		text += fmt.Sprintf("; %s %s", name, cell(g.Peers[name]))
	}
	return text
}
