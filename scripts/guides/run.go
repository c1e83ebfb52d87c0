//go:build linux

package guides

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Host is one machine of a guide while it is played.
type Host struct {
	Home    string // as its programs see it
	Files   string // the same folder, as this process sees it
	Command func(name string, arg ...string) Program
}

// Program is one to run on a host: Start and Wait take the place of the
// command's own.
type Program struct {
	*exec.Cmd
	Start, Wait func() error
}

// Limits of one command.
const (
	patience     = 2 * time.Minute  // of one that ends
	readyWithin  = 30 * time.Second // of one that goes on: until it printed what is shown
	answerWithin = 30 * time.Second
)

// Runner plays one guide.
type Runner struct {
	Guide *Guide
	Hosts map[string]*Host
	State string // a folder for what the shells remember, as they see it

	samples *samples
	paper   string // the recovery words that were shown last
	running []*kept
}

type kept struct {
	command Command
	term    *terminal
}

// A MismatchError is a command that did not do what the guide shows.
type MismatchError struct {
	File    string
	Command Command
	Reason  string
	Diff    string // with - what is shown and was not printed, with + the other way
}

func (e *MismatchError) Error() string {
	s := fmt.Sprintf("%s:%d: %s$ %s\n%s", e.File, e.Command.Line, e.Command.Machine, e.Command.Text, e.Reason)
	if e.Diff != "" {
		s += "\n" + e.Diff
	}
	return s
}

// Run plays the blocks in order and stops at the first that fails. Whatever
// still runs is stopped.
func (r *Runner) Run() (err error) {
	r.samples = newSamples()
	defer func() { err = r.stop(err) }()
	for _, b := range r.Guide.Blocks {
		for _, f := range b.Files {
			if err := r.write(f); err != nil {
				return fmt.Errorf("%s:%d: %w", r.Guide.Name, f.Line, err)
			}
		}
		for _, c := range b.Commands {
			if err := r.play(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Runner) write(f File) error {
	h := r.Hosts[f.Machine]
	path := filepath.Join(h.Files, strings.TrimPrefix(f.Path, "~/"))
	if !strings.HasPrefix(f.Path, "~/") {
		return fmt.Errorf("%s is not below the home of %s", f.Path, f.Machine)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("the folder of %s: %w", f.Path, err)
	}
	how := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if f.Append {
		how = os.O_WRONLY | os.O_APPEND
	}
	to, err := os.OpenFile(path, how, 0o644)
	if err != nil {
		return err
	}
	_, err = to.WriteString(r.samples.command(f.Text))
	return errors.Join(err, to.Close())
}

func (r *Runner) play(c Command) (err error) {
	poll(c.Try, func() bool {
		err = r.once(c)
		return !errors.As(err, new(*MismatchError))
	})
	return err
}

func (r *Runner) once(c Command) error {
	fail := func(reason, diff string) error { return &MismatchError{r.Guide.Name, c, reason, diff} }
	t, err := r.start(c)
	if err != nil {
		return fail(err.Error(), "")
	}
	if c.Keeps {
		r.running = append(r.running, &kept{c, t})
	} else {
		defer t.stop(time.Second)
	}
	if err := r.answer(t, c); err != nil {
		text, _ := t.output()
		return fail(err.Error(), text)
	}
	if c.Keeps {
		err := t.await(readyWithin, func(text string) bool {
			_, differences := r.samples.align(c.Output, lines(r.shown(c, text)), true)
			return differences == 0
		})
		text, _ := t.output()
		r.remember(text)
		diff := r.samples.compare(c.Output, lines(r.shown(c, text)), true)
		if errors.Is(err, errEnded) {
			return fail("it was to go on running and has ended", diff)
		}
		if err != nil || diff != "" {
			return fail("it prints something else", diff)
		}
		return nil
	}
	code, err := t.exit(patience)
	text, _ := t.output()
	r.remember(text)
	printed := lines(r.shown(c, text))
	switch {
	case err != nil:
		return fail(err.Error(), strings.Join(printed, "\n"))
	case code != c.Exit:
		return fail(fmt.Sprintf("it ended with exit code %d instead of %d and printed", code, c.Exit), strings.Join(printed, "\n"))
	}
	if diff := r.samples.compare(c.Output, printed, false); diff != "" {
		return fail("it prints something else", diff)
	}
	return nil
}

// shell runs a line with the folder and the variables that the lines before it
// left behind.
const shell = `[ ! -e "$1" ] || . "$1"
trap '{ printf "cd %q\n" "$PWD"; export -p; } >"$2"' EXIT
eval "$3"`

func (r *Runner) start(c Command) (*terminal, error) {
	h := r.Hosts[c.Machine]
	if h == nil {
		return nil, errors.New("nobody can type at this machine")
	}
	before := filepath.Join(r.State, c.Machine)
	after := before
	if c.Keeps {
		after = os.DevNull
	}
	return open(h.Command("/bin/bash", "--norc", "-c", shell, "bash", before, after, r.samples.command(c.Text)))
}

// answer types what the reader types, each after its question.
func (r *Runner) answer(t *terminal, c Command) error {
	from := 0
	for _, a := range c.Asks {
		err := t.await(answerWithin, func(text string) bool {
			at := strings.Index(text[min(from, len(text)):], a.Prompt)
			if at >= 0 {
				from += at + len(a.Prompt)
			}
			return at >= 0
		})
		if err != nil {
			return fmt.Errorf("it did not ask %q: %w", a.Prompt, err)
		}
		if a.Secret {
			if err := t.hidden(answerWithin); err != nil {
				return fmt.Errorf("it asked %q: %w", a.Prompt, err)
			}
		}
		answer := r.samples.command(a.Answer)
		if a.Answer == "the words on paper" {
			answer = r.paper
		}
		if _, err := t.tty.WriteString(answer + "\n"); err != nil {
			return fmt.Errorf("answer %q: %w", a.Prompt, err)
		}
	}
	return nil
}

var word = regexp.MustCompile(`(?m)(?:^| )([ 1]\d|2[0-4])\. ([a-z]+)`)

// remember writes recovery words down, as the guides tell the reader to.
func (r *Runner) remember(printed string) {
	if !strings.Contains(printed, "These are the recovery words.") {
		return
	}
	found := word.FindAllStringSubmatch(printed, -1)
	slices.SortFunc(found, func(a, b []string) int { return strings.Compare(a[1], b[1]) })
	var words []string
	for _, w := range found {
		words = append(words, w[2])
	}
	r.paper = strings.Join(words, " ")
}

// shown is what was printed, with the home of the guides' reader.
func (r *Runner) shown(c Command, printed string) string {
	home := regexp.MustCompile(regexp.QuoteMeta(r.Hosts[c.Machine].Home) + `\b`)
	return home.ReplaceAllString(printed, "/home/you")
}

func lines(text string) []string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// stop ends what runs. If nothing else had failed, it reports what ended by
// itself and badly.
func (r *Runner) stop(failed error) error {
	for _, k := range slices.Backward(r.running) {
		select {
		case <-k.term.done:
		default:
			k.term.stop(15 * time.Second)
			continue
		}
		if code, err := k.term.exit(time.Minute); failed == nil && (err != nil || code != 0) {
			text, _ := k.term.output()
			failed = &MismatchError{r.Guide.Name, k.command, fmt.Sprintf("it was to go on running and ended with exit code %d", code), text}
		}
	}
	return failed
}
