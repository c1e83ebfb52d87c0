package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/addressbook"
	"github.com/alkdev/alknet/alknet/internal/admin"
	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

// selfName stands for the node that runs on the data directory.
const selfName = "self"

// callNode is an open connection to a node's operations.
type callNode struct {
	*call.Client
	arg   string  // as the person wrote it
	dials *client // nil for self
	token bool    // calls carry one
}

// openCalls connects to the NODE argument.
func (e *env) openCalls(ctx context.Context, node string, f dialFlags, tokenFile string) (*callNode, error) {
	n := &callNode{arg: node, token: tokenFile != ""}
	var opts []call.ClientOption
	if n.token {
		token, err := secretFile(tokenFile, "token")
		if err != nil {
			return nil, err
		}
		opts = append(opts, call.WithToken(token))
	}
	if node == selfName {
		_, running, err := e.runningNode()
		if err == nil {
			n.Client, err = running.Dial(ctx, opts...)
		}
		return n, notRunning(err)
	}
	c, err := e.client(ctx, node, f)
	if err != nil {
		return nil, err
	}
	conn, _, err := c.dial(ctx, call.ALPN, dial.Interactive)
	if err != nil {
		c.close()
		return nil, err
	}
	n.Client, n.dials = call.NewClient(conn, opts...), c
	return n, nil
}

func (n *callNode) close() {
	n.Close()
	<-n.Done()
	if n.dials != nil {
		n.dials.close()
	}
}

// described is an operation as services/list and services/schema write it.
type described struct {
	Name        string           `json:"name"`
	Type        call.Type        `json:"op_type"`
	Description string           `json:"description"`
	Input       json.RawMessage  `json:"input_schema"`
	Output      json.RawMessage  `json:"output_schema"`
	Errors      []describedError `json:"error_schemas"`
	Access      describedAccess  `json:"access_control"`
}

type describedError struct {
	Code        string          `json:"code"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"schema"`
}

type describedAccess struct {
	Scopes         []string  `json:"required_scopes"`
	AnyScope       *[]string `json:"required_scopes_any"`
	ResourceType   string    `json:"resource_type"`
	ResourceAction string    `json:"resource_action"`
}

func (a describedAccess) String() string {
	needs := slices.Clone(a.Scopes)
	switch {
	case a.AnyScope == nil:
	case len(*a.AnyScope) == 0:
		needs = append(needs, "what nobody has")
	default:
		needs = append(needs, strings.Join(*a.AnyScope, " or "))
	}
	if a.ResourceType != "" {
		needs = append(needs, a.ResourceType+":"+a.ResourceAction+" of one's own")
	}
	if len(needs) == 0 {
		return "nothing"
	}
	return strings.Join(needs, ", ")
}

const schemaName = "services/schema"

type namedInput struct {
	Name string `json:"name"`
}

// typeOf asks how an operation answers. What discovery does not tell, the call
// itself will.
func (n *callNode) typeOf(ctx context.Context, operation string) (call.Type, error) {
	d, err := call.Call[described](ctx, n, schemaName, namedInput{operation})
	if err != nil && call.CodeOf(err) != call.CodeNotFound && call.CodeOf(err) != call.CodeForbidden {
		return "", err
	}
	return d.Type, nil
}

// listPage is how many operations are asked for at a time.
const listPage = 500

// list is what the node offers to the caller.
func (n *callNode) list(ctx context.Context) ([]described, error) {
	var all []described
	after := ""
	for {
		type page struct {
			Operations []described `json:"operations"`
			Next       string      `json:"next"`
		}
		in := map[string]any{"limit": listPage}
		if after != "" {
			in["after"] = after
		}
		p, err := call.Call[page](ctx, n, "services/list", in)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Operations...)
		if p.Next == "" {
			return all, nil
		}
		if p.Next <= after {
			return nil, errors.New("the node lists its operations without end")
		}
		after = p.Next
	}
}

// adviceTime bounds what is asked to give better advice.
const adviceTime = 3 * time.Second

// advise adds what the person can do about err, which may be nil.
func (n *callNode) advise(ctx context.Context, operation string, err error) error {
	var failed *call.Error
	if !errors.As(err, &failed) {
		return err
	}
	if cause := failed.Unwrap(); cause != nil && failed.Code == call.CodeInternal && n.dials != nil {
		if told := n.dials.explain(cause); dial.Refused(cause) {
			return told
		}
	}
	told := &callError{node: n.arg, operation: operation, failed: failed}
	ops := fmt.Sprintf("see 'alknet ops %s %s'", n.arg, operation)
	switch failed.Code {
	case call.CodeForbidden:
		told.todo = n.howToGetIn(failed)
	case call.CodeNotFound:
		told.todo = fmt.Sprintf("see 'alknet ops %s'", n.arg)
		if near := n.near(ctx, operation); len(near) > 0 {
			told.todo = "did you mean " + strings.Join(near, " or ") + "?"
		}
	case call.CodeInvalidInput:
		told.todo = ops
	case call.CodeTimeout:
		told.todo = "give it more time with --timeout"
	case call.CodeInternal:
		if told.todo = "the node's log may tell more"; failed.Retryable {
			told.todo = "try again later"
		}
	case call.CodeInvalidOperationType:
	default:
		told.todo = ops
	}
	return told
}

func (n *callNode) howToGetIn(failed *call.Error) string {
	nobody := errors.Is(failed, core.ErrAuthRequired)
	switch {
	case n.token && nobody:
		return "the token is unknown there, has expired or was revoked: 'alknet token list' on the node shows"
	case n.token:
		return "the token may do less: 'alknet token new NAME --scope …' on the node makes another"
	case n.dials == nil:
		return "not even the owner may"
	case !n.dials.own.exists:
		return "run 'alknet init' and have the owner add the id"
	}
	id, _ := n.dials.own.key().NodeID()
	return fmt.Sprintf("its owner can allow it with 'alknet peer add NAME %s --scope …'", id)
}

// near are names like operation that the node offers.
func (n *callNode) near(ctx context.Context, operation string) []string {
	ctx, cancel := context.WithTimeout(ctx, adviceTime)
	defer cancel()
	all, err := n.list(ctx)
	if err != nil {
		return nil
	}
	return similar(operation, all)
}

// callError is how a call ended, for people and, with --json, for programs.
type callError struct {
	node, operation, todo string
	failed                *call.Error
}

// Unwrap keeps the code's exit code.
func (e *callError) Unwrap() error { return e.failed }

func (e *callError) Error() string {
	text := fmt.Sprintf("%s: %s: %s: %s", e.node, e.operation, e.failed.Code, e.failed.Message)
	if e.todo != "" {
		text += ": " + e.todo
	}
	return text
}

// completeOperation completes the names of operations where that takes no
// network: those of the running node.
func (e *env) completeOperation(cmd *cobra.Command, a []string, prefix string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	if len(a) == 0 {
		return e.nodeNames(prefix), none
	}
	if len(a) != 1 || a[0] != selfName {
		return nil, none
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), adviceTime)
	defer cancel()
	n, err := e.openCalls(ctx, selfName, dialFlags{}, "")
	if err != nil {
		return nil, none
	}
	defer n.close()
	all, err := n.list(ctx)
	if err != nil {
		return nil, none
	}
	var names []string
	for _, op := range all {
		if strings.HasPrefix(op.Name, prefix) {
			names = append(names, printable(op.Name)+"\t"+printable(op.Description))
		}
	}
	return names, none
}

// nodeNames are the names that a NODE argument may begin with prefix as.
func (e *env) nodeNames(prefix string) []string {
	names := []string{selfName}
	if d, err := e.dir(); err == nil {
		if book, err := addressbook.Load(d.Nodes()); err == nil {
			names = append(names, book.Names()...)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// reportCall tells how a call failed and returns the exit code.
func (e *env) reportCall(ctx context.Context, node, operation string, err error) error {
	var usage *usageError
	switch {
	case err == nil || errors.As(err, &usage):
		return err
	case ctx.Err() != nil:
		return exitError(exitInterrupted) // whoever sent the signal knows
	}
	code := exitCode(err)
	if errors.Is(err, admin.ErrNotRunning) {
		code = exitUnreachable
	}
	if !e.json {
		fmt.Fprintln(e.stderr, "alknet: "+oneLine(err))
		return exitError(code)
	}
	line := append(mustJSON(newFailure(node, operation, code, err)), '\n')
	if isTerminal(e.stderr) {
		line = escaped(line)
	}
	_, _ = e.stderr.Write(line)
	return exitError(code)
}

// failure is an error in JSON.
type failure struct {
	Node      string          `json:"node"`
	Operation string          `json:"operation"`
	Code      string          `json:"code"` // the operation's, the protocol's, or UNREACHABLE
	Message   string          `json:"message"`
	Retryable bool            `json:"retryable"`
	Details   json.RawMessage `json:"details,omitempty"`
	Todo      string          `json:"todo,omitempty"`
}

func newFailure(node, operation string, code int, err error) failure {
	f := failure{Node: node, Operation: operation, Code: call.CodeInternal, Message: oneLine(err)}
	var told *callError
	switch {
	case errors.As(err, &told):
		one := told.failed
		f.Code, f.Message, f.Retryable, f.Details, f.Todo = one.Code, one.Message, one.Retryable, one.Details, told.todo
	case code == exitUnreachable:
		f.Code, f.Retryable = "UNREACHABLE", true
	case code == exitRefused:
		f.Code = call.CodeForbidden
	}
	return f
}
