package auth

import (
	"errors"
	"strings"
)

// argvPattern covers one command: its words joined by NUL.
type argvPattern string

func parseArgvPattern(s string) (target, string) {
	argv, err := ParseArgv(s)
	if err != nil {
		return nil, err.Error()
	}
	return argvPattern(strings.Join(argv, "\x00")), ""
}

func (p argvPattern) covers(a Action) bool {
	return a.kind == kindArgv && a.text == string(p)
}

func (p argvPattern) String() string { return JoinArgv(strings.Split(string(p), "\x00")) }

// ParseArgv splits a command line into words as a POSIX shell would (XCU
// section 2.2: single quotes, double quotes, backslash), and refuses what a
// shell would do more with: operators, expansions, globs, comments, several
// lines. What it returns can be run without a shell and means what the line
// says. The slice has at least one word, and no word holds a NUL.
func ParseArgv(line string) ([]string, error) {
	l := lexer{in: line}
	if err := l.run(); err != nil {
		return nil, err
	}
	if len(l.argv) == 0 {
		return nil, errors.New("the command is empty")
	}
	return l.argv, nil
}

var (
	errOperator  = errors.New("the command uses a shell operator, expansion or pattern; quote the character to take it literally")
	errUnclosed  = errors.New("the command has an unclosed quote or ends in a backslash")
	errCommandNL = errors.New("the command has more than one line, or a NUL")
)

type lexer struct {
	in   string
	pos  int
	word []byte
	open bool // a word has begun, possibly an empty quoted one
	argv []string
}

func (l *lexer) run() error {
	for l.pos < len(l.in) {
		c := l.in[l.pos]
		l.pos++
		var err error
		switch {
		case c == ' ' || c == '\t':
			l.end()
			continue
		case c == '\n' || c == '\r' || c == 0:
			return errCommandNL
		case c == '\'':
			err = l.single()
		case c == '"':
			err = l.double()
		case c == '\\':
			err = l.escaped()
		case strings.IndexByte("|&;<>()$`*?[", c) >= 0, !l.open && (c == '#' || c == '~'):
			return errOperator
		default:
			l.word = append(l.word, c)
		}
		if err != nil {
			return err
		}
		l.open = true
	}
	l.end()
	return nil
}

func (l *lexer) end() {
	if l.open {
		l.argv = append(l.argv, string(l.word))
	}
	l.word, l.open = l.word[:0], false
}

func (l *lexer) escaped() error {
	if l.pos == len(l.in) {
		return errUnclosed
	}
	c := l.in[l.pos]
	if c == '\n' || c == 0 {
		return errCommandNL
	}
	l.pos++
	l.word = append(l.word, c)
	return nil
}

func (l *lexer) single() error {
	n := strings.IndexByte(l.in[l.pos:], '\'')
	if n < 0 {
		return errUnclosed
	}
	text := l.in[l.pos : l.pos+n]
	if strings.IndexByte(text, 0) >= 0 {
		return errCommandNL
	}
	l.word = append(l.word, text...)
	l.pos += n + 1
	return nil
}

func (l *lexer) double() error {
	for l.pos < len(l.in) {
		c := l.in[l.pos]
		l.pos++
		switch c {
		case '"':
			return nil
		case 0:
			return errCommandNL
		case '$', '`':
			return errOperator
		case '\\':
			if l.pos < len(l.in) && strings.IndexByte("$`\"\\", l.in[l.pos]) >= 0 {
				c = l.in[l.pos]
				l.pos++
			} else if l.pos < len(l.in) && l.in[l.pos] == '\n' {
				return errCommandNL
			}
		}
		l.word = append(l.word, c)
	}
	return errUnclosed
}

// JoinArgv writes words as one line that ParseArgv, and any POSIX shell,
// splits into the same words. No word may hold a NUL.
func JoinArgv(argv []string) string {
	var b strings.Builder
	for i, word := range argv {
		if i > 0 {
			b.WriteByte(' ')
		}
		if isPlainWord(word) {
			b.WriteString(word)
			continue
		}
		b.WriteByte('\'')
		b.WriteString(strings.ReplaceAll(word, "'", `'\''`))
		b.WriteByte('\'')
	}
	return b.String()
}

func isPlainWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("_@%+=:,./-", c) >= 0
		if !plain {
			return false
		}
	}
	return s != ""
}
