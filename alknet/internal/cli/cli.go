// Package cli is the command line: one file a command. What a command does is
// elsewhere; here are its words, its output and its exit code.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/systemd"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnreachable = 4
	exitInterrupted = 130 // as shells have it for SIGINT
)

// env is what every command works with.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	name           string // by which the program was started

	data           string // --data
	passphraseFile string // --passphrase-file
	keyFile        string // --key-file
	json           bool   // --json, on commands that have it
}

// Main runs the command in args, whose first element is the program's name,
// and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{stdin: stdin, stdout: stdout, stderr: stderr, name: args[0]}
	root := e.root()
	root.SetArgs(args[1:])
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var code exitError
	if err != nil && !errors.As(err, &code) {
		fmt.Fprintln(stderr, "alknet: "+oneLine(err))
	}
	return exitCode(err)
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "alknet",
		Short:         "One node, one key, one port: every service is a protocol name",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&e.data, "data", "", "data `directory` (default: $"+datadir.Environment+", else the platform's configuration folder)")
	root.PersistentFlags().StringVar(&e.passphraseFile, "passphrase-file", "", "`file` whose first line is the vault's passphrase (default: asked for on the terminal)")
	root.PersistentFlags().StringVar(&e.keyFile, "key-file", "", "`file` with the key that the vault is sealed to (default: vault.key, the service manager's credential of that name or the file in the data directory)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w: see '%s --help'", err, cmd.CommandPath())}
	})
	root.AddCommand(e.commands()...)
	return root
}

// usageError is a command line that cannot be meant.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitError ends the program with a code and nothing more to say.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// oneLine keeps an error on the one line that scripts expect, and what another
// node has put into it off the terminal.
func oneLine(err error) string {
	return printable(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
}

// args makes cobra's argument checks usage errors.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return usagef("%w: usage: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// group makes a command that does nothing itself out of its subcommands.
func group(cmd *cobra.Command, sub ...*cobra.Command) *cobra.Command {
	cmd.Args = unknownCommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return usagef("say what to do: see '%s --help'", cmd.CommandPath())
	}
	cmd.AddCommand(sub...)
	return cmd
}

func unknownCommand(cmd *cobra.Command, a []string) error {
	if len(a) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(a[0]); len(near) > 0 {
		return usagef("unknown command %q: did you mean '%s %s'?", a[0], cmd.CommandPath(), near[0])
	}
	return usagef("unknown command %q: see '%s --help'", a[0], cmd.CommandPath())
}

// dir names the data directory without touching it.
func (e *env) dir() (datadir.Dir, error) {
	d, err := datadir.At(e.data)
	if key := e.vaultKey(); err == nil && key != "" {
		d = d.WithVaultKey(key)
	}
	return d, err
}

// vaultKey is where the vault's key is, or empty if it is in the data directory.
func (e *env) vaultKey() string {
	if e.keyFile != "" {
		return e.keyFile
	}
	return systemd.Credential("vault.key")
}

// jsonFlag gives a command that prints data its --json.
func (e *env) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&e.json, "json", false, "print JSON")
	return cmd
}

// print writes v as JSON if asked for, else what human writes.
func (e *env) print(v any, human func(w io.Writer)) error {
	if !e.json {
		human(e.stdout)
		return nil
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
