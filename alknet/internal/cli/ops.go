package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core/auth"
)

func (e *env) opsCommand() *cobra.Command {
	var (
		f         dialFlags
		tokenFile string
	)
	cmd := &cobra.Command{
		Use:   "ops NODE [OPERATION]",
		Short: "List what a node offers to call, or describe one operation",
		Long: `List the operations of a node that you may call, with what each needs. With
OPERATION, describe that one: what it takes, what it answers, how it fails, and an
example. NODE may also be 'self', the node that runs on this data directory. With
--json the schemas are printed as the node gives them.`,
		Args:              args(cobra.RangeArgs(1, 2)),
		ValidArgsFunction: e.completeOperation,
		RunE: func(cmd *cobra.Command, a []string) error {
			operation := "services/list"
			if len(a) > 1 {
				operation = strings.TrimPrefix(a[1], "/")
			}
			n, err := e.openCalls(cmd.Context(), a[0], f, tokenFile)
			if err == nil {
				defer n.close()
				if len(a) > 1 {
					err = e.describeOperation(cmd.Context(), n, operation)
				} else {
					err = e.listOperations(cmd.Context(), n)
				}
				err = n.advise(cmd.Context(), operation, err)
			}
			return e.reportCall(cmd.Context(), a[0], operation, err)
		},
	}
	f.add(cmd)
	f.addToken(cmd, &tokenFile)
	return e.jsonFlag(cmd)
}

// listOperations asks for the access of each operation too: the list has none.
func (e *env) listOperations(ctx context.Context, n *callNode) error {
	all, err := n.list(ctx)
	if err != nil {
		return err
	}
	calls := make([]call.BatchCall, len(all))
	for i, op := range all {
		calls[i] = call.BatchCall{Operation: schemaName, Input: namedInput{op.Name}}
	}
	answers := call.Batch(ctx, n, calls...)
	if err := ctx.Err(); err != nil {
		return err
	}
	schemas := make([]json.RawMessage, 0, len(all))
	needs := make([]string, len(all))
	for i, a := range answers {
		needs[i] = "?"
		if a.Err != nil {
			continue // it went away meanwhile
		}
		schemas = append(schemas, a.Output)
		var d described
		if json.Unmarshal(a.Output, &d) == nil {
			needs[i] = d.Access.String()
		}
	}
	if e.json {
		return e.printJSON(mustJSON(schemas), true)
	}
	var out strings.Builder
	t := newTable(&out, "NAME", "TYPE", "NEEDS", "DESCRIPTION")
	for i, op := range all {
		t.row(op.Name, string(op.Type), needs[i], op.Description)
	}
	t.flush()
	_, err = io.WriteString(e.stdout, e.cut(out.String()))
	return err
}

// cut shortens lines to the terminal's width, if there is a terminal.
func (e *env) cut(text string) string {
	f, ok := e.stdout.(interface{ Fd() uintptr })
	if !ok || !isTerminal(e.stdout) {
		return text
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if r := []rune(line); len(r) > width {
			lines[i] = string(r[:width-1]) + "…"
		}
	}
	return strings.Join(lines, "\n")
}

func (e *env) describeOperation(ctx context.Context, n *callNode, operation string) error {
	raw, err := n.Call(ctx, schemaName, mustJSON(namedInput{operation}))
	if err != nil {
		return err
	}
	if e.json {
		return e.printJSON(raw, true)
	}
	var d described
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("read the description of %s: %w", operation, err)
	}
	printOperation(e.stdout, n.arg, d)
	return nil
}

// mustJSON is for values that always have a form.
func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func printOperation(w io.Writer, node string, d described) {
	fmt.Fprintf(w, "%s  %s\n", printable(d.Name), printable(string(d.Type)))
	if d.Description != "" {
		fmt.Fprintf(w, "%s\n", printable(d.Description))
	}
	fmt.Fprintf(w, "\nneeds    %s\n", printable(d.Access.String()))
	in, out := newSchema(d.Input), newSchema(d.Output)
	printSchema(w, "input", in)
	if d.Type == call.TypeSubscription {
		printSchema(w, "each", out)
	} else {
		printSchema(w, "output", out)
	}
	if len(d.Errors) > 0 {
		fmt.Fprintf(w, "\nerrors\n")
		t := table{newColumns(w)}
		for _, one := range d.Errors {
			t.row("  "+one.Code, one.Description)
			for _, row := range newSchema(one.Schema).rows(2) {
				t.row(row...)
			}
		}
		t.flush()
	}
	line := []string{"alknet", "call", node, d.Name}
	if sample := in.sample(); sample != "" {
		line = append(line, sample)
	}
	fmt.Fprintf(w, "\nexample\n  %s\n", printable(auth.JoinArgv(line)))
}

func printSchema(w io.Writer, title string, s schemaView) {
	kind := s.kind()
	if notes := s.notes(); notes != "" {
		kind += ", " + notes
	}
	fmt.Fprintf(w, "\n%-8s %s\n", title, printable(kind))
	t := table{newColumns(w)}
	for _, row := range s.rows(1) {
		t.row(row...)
	}
	t.flush()
}

// similar are up to three names that somebody may have meant.
func similar(name string, all []described) []string {
	type guess struct {
		name     string
		distance int
	}
	var guesses []guess
	last := name[strings.LastIndexByte(name, '/')+1:]
	for _, op := range all {
		d := distance(name, op.Name)
		if strings.HasSuffix(op.Name, "/"+last) {
			d = min(d, 1)
		}
		if d <= max(2, len(name)/4) {
			guesses = append(guesses, guess{op.Name, d})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int { return a.distance - b.distance })
	var names []string
	for _, g := range guesses[:min(3, len(guesses))] {
		names = append(names, g.name)
	}
	return names
}

// distance is how many bytes are to be added, removed or replaced.
func distance(a, b string) int {
	if len(a) > maxSecret || len(b) > maxSecret {
		return maxSecret
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := before
			if a[i] != b[j] {
				d = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
