package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/call"
)

type callFlags struct {
	dialFlags
	timeout   time.Duration
	count     int
	tokenFile string
}

func (e *env) callCommand() *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use:   "call NODE OPERATION [JSON|-]",
		Short: "Call an operation of a node",
		Long: `Call an operation of a node, and print its answer as JSON. The input is JSON, or
- for standard input; without it, null is sent. NODE may also be 'self', the node
that runs on this data directory. See 'alknet ops' for what a node offers.

A subscription prints each answer on a line of its own, as it comes. Ctrl-C, or
the end of --count, aborts it.

A refusal by access control ends with code 3, a node that cannot be reached with 4.
With --json an error is one line of JSON on standard error.`,
		Example: `  alknet call self node/status
  alknet call home math/add '{"a":1,"b":2}'
  alknet call home node/watch --count 10 | jq .peer`,
		Args:              args(cobra.RangeArgs(2, 3)),
		ValidArgsFunction: e.completeOperation,
		RunE: func(cmd *cobra.Command, a []string) error {
			if f.count < 0 || f.timeout < 0 {
				return usagef("--count and --timeout count from 0, which means no limit of one's own")
			}
			input, err := e.callInput(a[2:])
			if err != nil {
				return err
			}
			operation := strings.TrimPrefix(a[1], "/")
			n, err := e.openCalls(cmd.Context(), a[0], f.dialFlags, f.tokenFile)
			if err == nil {
				defer n.close()
				err = n.advise(cmd.Context(), operation, e.call(cmd.Context(), n, operation, input, f))
			}
			return e.reportCall(cmd.Context(), a[0], operation, err)
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.DurationVar(&f.timeout, "timeout", 0, "give up after this `time`; 0 means 30s, and for a subscription never")
	fl.IntVar(&f.count, "count", 0, "of a subscription, take this `many` answers and abort it")
	f.addToken(cmd, &f.tokenFile)
	return e.jsonFlag(cmd)
}

// addToken gives a command the flag for a token, which is in no argument and no
// environment variable, for other users can see those.
func (f *dialFlags) addToken(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "token-file", "", "`file` whose first line is an API key (alk_…) to call with")
}

// maxInput is the largest input, in bytes: docs/wire/call.md, section 2.
const maxInput = 64 << 20

// callInput is the input of the argument, checked.
func (e *env) callInput(a []string) (json.RawMessage, error) {
	if len(a) == 0 {
		return nil, nil
	}
	raw, from := []byte(a[0]), "the input"
	if a[0] == "-" {
		var err error
		if raw, err = io.ReadAll(io.LimitReader(e.stdin, maxInput+1)); err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		from = "standard input"
	}
	if len(raw) > maxInput {
		return nil, usagef("%s has more than %d bytes", from, maxInput)
	}
	if at, err := syntaxOf(raw); err != nil {
		line, column := position(raw, at)
		return nil, usagef("%s is not JSON: line %d, column %d: %w", from, line, column, err)
	}
	return bytes.TrimSpace(raw), nil
}

// syntaxOf says what is wrong with raw, and where: RFC 8259 and no name twice.
func syntaxOf(raw []byte) (at int, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if _, err = dec.ReadValue(); err == nil {
		after := int(dec.InputOffset())
		if _, err = dec.ReadToken(); errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err == nil {
			return after, errors.New("a second value follows; quote the whole input")
		}
	}
	var bad *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return len(raw), errors.New("it ends in the middle")
	case errors.As(err, &bad):
		return int(bad.ByteOffset), bad.Err
	}
	return 0, err
}

// position counts lines from 1 and columns in characters from 1.
func position(raw []byte, at int) (line, column int) {
	before := raw[:min(at, len(raw))]
	line = bytes.Count(before, []byte("\n")) + 1
	return line, len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
}

func (e *env) call(ctx context.Context, n *callNode, operation string, input json.RawMessage, f callFlags) error {
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	typ, err := n.typeOf(ctx, operation)
	if err != nil {
		return err
	}
	if typ != call.TypeSubscription {
		out, err := n.Call(ctx, operation, input)
		if err != nil {
			return err
		}
		return e.printJSON(out, !e.json)
	}
	taken := 0
	for out, err := range n.Subscribe(ctx, operation, input) {
		if err == nil {
			err = e.printJSON(out, false)
		}
		if err != nil {
			return err
		}
		if taken++; taken == f.count {
			break
		}
	}
	return ctx.Err()
}

// printJSON writes one value: in several lines for a person, in one for a
// program.
func (e *env) printJSON(raw json.RawMessage, wide bool) error {
	var out bytes.Buffer
	terminal := isTerminal(e.stdout)
	shape := json.Compact
	if terminal && wide {
		shape = func(dst *bytes.Buffer, src []byte) error { return json.Indent(dst, src, "", "  ") }
	}
	if err := shape(&out, raw); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	out.WriteByte('\n')
	text := out.Bytes()
	if terminal {
		text = escaped(text)
	}
	_, err := e.stdout.Write(text)
	return err
}

// escaped keeps characters that act on a terminal off it. In JSON they are only
// found in strings, where an escape means the same.
func escaped(text []byte) []byte {
	if !bytes.ContainsFunc(text, acts) {
		return text
	}
	var out bytes.Buffer
	for _, r := range string(text) {
		if acts(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}

// acts reports DEL, the C1 controls, and what reorders text (Unicode, UAX #9).
// JSON itself has no C0 controls but white space.
func acts(r rune) bool {
	return r >= 0x7f && r < 0xa0 || r == 0x61c || r >= 0x200e && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
