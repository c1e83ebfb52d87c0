package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/alkdev/alknet/alknet/internal/keyring"
)

// maxSecret bounds a passphrase and a line of recovery words, in bytes.
const maxSecret = 4 << 10

var errNoTerminal = errors.New("there is no terminal to ask on")

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminal opens what a person can be asked on: the terminal that the program
// was started from, whatever standard input is, else standard input if that is
// one.
func (e *env) terminal() (tty *os.File, done func(), err error) {
	if tty, err = openTerminal(); err == nil {
		return tty, func() { tty.Close() }, nil
	}
	if isTerminal(e.stdin) {
		return e.stdin.(*os.File), func() {}, nil
	}
	return nil, nil, errNoTerminal
}

// ask shows a question where the person looks.
func (e *env) ask(tty *os.File, question string) {
	if isTerminal(e.stderr) {
		fmt.Fprint(e.stderr, question)
		return
	}
	fmt.Fprint(tty, question)
}

// askSecret reads a line without showing it.
func (e *env) askSecret(ctx context.Context, question string) (string, error) {
	tty, done, err := e.terminal()
	if err != nil {
		return "", err
	}
	defer done()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	e.ask(tty, question)
	type answer struct {
		text []byte
		err  error
	}
	answered := make(chan answer, 1)
	// A read from a terminal cannot be interrupted. After Ctrl-C the goroutine
	// waits on, and ends with the program, which ends for the same reason.
	go func() {
		text, err := term.ReadPassword(fd)
		answered <- answer{text, err}
	}()
	select {
	case a := <-answered:
		e.ask(tty, "\n")
		if a.err != nil {
			return "", fmt.Errorf("read from the terminal: %w", a.err)
		}
		return string(a.text), nil
	case <-ctx.Done():
		term.Restore(fd, before)
		e.ask(tty, "\n")
		return "", context.Cause(ctx)
	}
}

// confirm asks a question that "y" or "yes" agrees to.
func (e *env) confirm(question string) (bool, error) {
	tty, done, err := e.terminal()
	if err != nil {
		return false, err
	}
	defer done()
	e.ask(tty, question+" [y/N] ")
	line, err := bufio.NewReader(io.LimitReader(tty, maxSecret)).ReadString('\n')
	if err != nil && line == "" {
		return false, fmt.Errorf("read from the terminal: %w", err)
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// passphrase is how every command gets the passphrase of a vault that is
// sealed by one: from the file of --passphrase-file, else from the terminal.
func (e *env) passphrase(ctx context.Context) (string, error) {
	if e.passphraseFile != "" {
		return secretFile(e.passphraseFile, "passphrase")
	}
	pass, err := e.askSecret(ctx, "Passphrase of the vault: ")
	if errors.Is(err, errNoTerminal) {
		return "", keyring.ErrNeedsPassphrase
	}
	return pass, err
}

// newPassphrase gets one that is to seal a vault from now on.
func (e *env) newPassphrase(ctx context.Context, file string) (string, error) {
	if file != "" {
		return secretFile(file, "passphrase")
	}
	first, err := e.askSecret(ctx, "New passphrase of the vault: ")
	if errors.Is(err, errNoTerminal) {
		return "", usagef("%w: give the new passphrase in a file", err)
	}
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", errors.New("an empty passphrase protects nothing: nothing was changed")
	}
	again, err := e.askSecret(ctx, "The same once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passphrases differ: nothing was changed")
	}
	return first, nil
}

// secretFile reads the first line of a file, which must be closed to others. A
// pipe, as a shell makes it, is nobody's to open later.
func secretFile(path, what string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	if mode := fi.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("%s has mode %04o, and other users may read the %s: chmod 600 it", path, mode.Perm(), what)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(line) == 0:
		return "", fmt.Errorf("the first line of %s is empty: it is to hold the %s", path, what)
	case len(line) > maxSecret:
		return "", fmt.Errorf("the first line of %s has more than %d bytes", path, maxSecret)
	}
	return string(line), nil
}
