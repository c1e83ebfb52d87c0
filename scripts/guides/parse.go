package guides

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Guide is one Markdown file.
type Guide struct {
	Name     string // of the file, without its folder
	Machines []Machine
	Blocks   []Block
	Inline   []Inline
}

// Machine is one that the guide needs: a name, and what is special about it.
type Machine struct {
	Name   string
	Traits []string
}

// Block is one fenced block that is played, or that says why it is not.
type Block struct {
	Line     int
	NotRun   string // the reason; nothing else is set then
	Commands []Command
	Files    []File
}

// Command is one line after a prompt, with what the guide shows below it.
type Command struct {
	Line    int
	Machine string
	Text    string
	Output  []string

	Exit  int           // the code that it ends with
	Keeps bool          // it goes on running
	Try   time.Duration // how long it is repeated until its output is as shown
	Asks  []Ask
}

// Ask is a question of a program and what the reader types.
type Ask struct {
	Prompt, Answer string
	Secret         bool // what is typed is not shown
}

// File is a block that the reader puts into a file.
type File struct {
	Line    int
	Machine string
	Path    string
	Text    string
	Append  bool
}

// Inline is a command that is named in the middle of a sentence.
type Inline struct {
	Line int
	Text string
}

// FaultError is a guide that cannot be played as it is written.
type FaultError struct {
	File   string
	Line   int
	Reason string
}

func (e *FaultError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

var (
	prompt    = regexp.MustCompile(`^([a-z][a-z0-9-]*)[$#] (.*)$`)
	directive = regexp.MustCompile(`^<!-- (not run|machines|write|add|exit|keeps running|try for|asks|asks secretly)(?:: (.*))? -->$`)
	place     = regexp.MustCompile(`^([a-z][a-z0-9-]*):(\S+)$`)
	asks      = regexp.MustCompile(`^"([^"]+)" (.+)$`)
	machine   = regexp.MustCompile(`^([a-z][a-z0-9-]*)(?:\(([a-z0-9 -]+)\))?$`)
	inline    = regexp.MustCompile("`(alknet [^`]+)`")
)

// marks are the directives before one block.
type marks struct {
	line   int // of the first; 0 if there is none
	notRun string
	file   *File
	exit   int
	keeps  bool
	try    time.Duration
	asks   []Ask
}

type parser struct {
	guide Guide
	in    *bufio.Scanner
	line  int
	marks marks
}

// Parse reads a guide. Where the guide is to blame, its error is a *FaultError.
func Parse(path string) (*Guide, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := parser{guide: Guide{Name: filepath.Base(path)}, in: bufio.NewScanner(f)}
	for p.next() {
		line := p.in.Text()
		if info, fenced := strings.CutPrefix(line, "```"); fenced {
			err = p.fence(info)
		} else {
			err = p.prose(line)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.in.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if p.marks.line != 0 {
		return nil, p.fault(p.marks.line, "no block follows this comment")
	}
	return &p.guide, nil
}

func (p *parser) next() bool {
	p.line++
	return p.in.Scan()
}

func (p *parser) fault(line int, format string, a ...any) error {
	return &FaultError{p.guide.Name, line, fmt.Sprintf(format, a...)}
}

func (p *parser) prose(line string) error {
	switch {
	case strings.HasPrefix(line, "<!--"):
		m := directive.FindStringSubmatch(line)
		if m == nil {
			return p.fault(p.line, "this comment means nothing to the test: see docs/guides/README.md")
		}
		return p.directive(m[1], m[2])
	case strings.TrimSpace(line) == "":
		return nil
	case p.marks.line != 0:
		return p.fault(p.marks.line, "no block follows this comment")
	case strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "~~~") || strings.HasPrefix(strings.TrimSpace(line), "```"):
		return p.fault(p.line, "a block that the test does not see: write it between ``` at the start of a line")
	}
	for _, m := range inline.FindAllStringSubmatch(line, -1) {
		p.guide.Inline = append(p.guide.Inline, Inline{p.line, m[1]})
	}
	return nil
}

func (p *parser) directive(name, value string) (err error) {
	if name == "machines" {
		return p.machines(value)
	}
	if p.marks.line == 0 {
		p.marks.line = p.line
	}
	switch name {
	case "not run":
		p.marks.notRun = value
		if value == "" {
			return p.fault(p.line, "say why this is not run")
		}
	case "write", "add":
		m := place.FindStringSubmatch(value)
		if m == nil {
			return p.fault(p.line, "%q is not machine:path", value)
		}
		p.marks.file = &File{Machine: m[1], Path: m[2], Append: name == "add"}
	case "exit":
		if p.marks.exit, err = strconv.Atoi(value); err != nil {
			return p.fault(p.line, "%q is not an exit code", value)
		}
	case "keeps running":
		p.marks.keeps = true
	case "try for":
		if p.marks.try, err = time.ParseDuration(value); err != nil {
			return p.fault(p.line, "%q is not a time such as 20s", value)
		}
	case "asks", "asks secretly":
		m := asks.FindStringSubmatch(value)
		if m == nil {
			return p.fault(p.line, "write the question in quotes and what is typed after it")
		}
		p.marks.asks = append(p.marks.asks, Ask{Prompt: m[1], Answer: m[2], Secret: name != "asks"})
	}
	return nil
}

func (p *parser) machines(value string) error {
	for _, word := range strings.Split(value, ", ") {
		m := machine.FindStringSubmatch(word)
		if m == nil {
			return p.fault(p.line, "%q is not a machine such as home or laptop(go)", word)
		}
		p.guide.Machines = append(p.guide.Machines, Machine{m[1], strings.Fields(m[2])})
	}
	return nil
}

// fence takes the block whose first line was just read.
func (p *parser) fence(info string) error {
	start := p.line
	var body []string
	for {
		if !p.next() {
			return p.fault(start, "the block has no end")
		}
		if p.in.Text() == "```" {
			break
		}
		body = append(body, p.in.Text())
	}
	m := p.marks
	p.marks = marks{}
	b := Block{Line: start, NotRun: m.notRun}
	switch {
	case m.notRun != "":
	case m.file != nil:
		m.file.Line, m.file.Text = start, strings.Join(body, "\n")+"\n"
		if err := p.known(start, m.file.Machine); err != nil {
			return err
		}
		b.Files = []File{*m.file}
	case info == "text":
		for i, line := range body {
			if prompt.MatchString(line) {
				return p.fault(start+1+i, "a command in a block of text: make it a console block")
			}
		}
		return nil
	case info == "console":
		var err error
		if b.Commands, err = p.commands(start, body, m); err != nil {
			return err
		}
	default:
		return p.fault(start, "nothing says what happens with this block: mark it with a comment, see docs/guides/README.md")
	}
	p.guide.Blocks = append(p.guide.Blocks, b)
	return nil
}

func (p *parser) known(line int, name string) error {
	for _, m := range p.guide.Machines {
		if m.Name == name {
			return nil
		}
	}
	return p.fault(line, "no machine is called %q: name it in the machines comment", name)
}

// commands reads a console block. The marks belong to its last command.
func (p *parser) commands(start int, body []string, m marks) ([]Command, error) {
	var out []Command
	for i := 0; i < len(body); i++ {
		at := start + 1 + i
		found := prompt.FindStringSubmatch(body[i])
		if found == nil {
			if len(out) == 0 {
				return nil, p.fault(at, "output without a command: begin with a prompt such as laptop$")
			}
			last := &out[len(out)-1]
			last.Output = append(last.Output, body[i])
			continue
		}
		if err := p.known(at, found[1]); err != nil {
			return nil, err
		}
		c := Command{Line: at, Machine: found[1], Text: found[2]}
		for strings.HasSuffix(c.Text, "\\") && i+1 < len(body) {
			i++
			c.Text = strings.TrimSuffix(c.Text, "\\") + strings.TrimLeft(strings.TrimPrefix(body[i], ">"), " ")
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, p.fault(start, "a console block without a command")
	}
	last := &out[len(out)-1]
	last.Exit, last.Keeps, last.Try, last.Asks = m.exit, m.keeps, m.try, m.asks
	return out, nil
}
