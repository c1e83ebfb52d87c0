package guides

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// samples are what a guide shows of things that every machine has its own of.
// The first time that one is shown it may be anything of its form; from then
// on, and in commands, it stands for what was printed in its place.
type samples struct {
	actual map[string]string // by what the guide shows
	shown  map[string]string // the other way round
}

func newSamples() *samples { return &samples{map[string]string{}, map[string]string{}} }

// forms are the things that are samples, each longer one before what it may
// contain: SSH public keys, SHA-256 in hex, node ids, API keys, addresses.
var forms = []string{
	`AAAA[A-Za-z0-9+/]{40,}={0,2}`,
	`\b[0-9a-f]{64}\b`,
	`\b[ybndrfg8ejkmcpqxot1uwisza345h769]{52}\b`,
	`\balk_[A-Za-z0-9_-]{20,}`,
	`\b(?:10\.[0-9]+|100\.[0-9]+|192\.0|192\.168|198\.51|203\.0)\.[0-9]+\.[0-9]+\b`,
}

var (
	sample = regexp.MustCompile(strings.Join(forms, "|"))
	// measured is what only its form is compared of: times, dates, sizes.
	measured = regexp.MustCompile(`\b(?:min|avg|max) \d+\.\d+|\d+(?:\.\d+)? (?:ms|s|kB|MB)\b|\b\d+(?:\.\d+)?(?:µs|ms|s)\b|\b20\d\d-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?Z?)?)?`)
	varies   = regexp.MustCompile(`\.\.\.|` + sample.String() + `|` + measured.String())
)

// command is what to type for what the guide shows.
func (s *samples) command(text string) string {
	return sample.ReplaceAllStringFunc(text, func(shown string) string {
		if actual, ok := s.actual[shown]; ok {
			return actual
		}
		return shown
	})
}

// line makes a shown line into an expression, and lists the samples that its
// groups would settle.
func (s *samples) line(shown string) (*regexp.Regexp, []string) {
	var b strings.Builder
	var open []string
	b.WriteString("^")
	rest := 0
	for _, at := range varies.FindAllStringIndex(shown, -1) {
		b.WriteString(regexp.QuoteMeta(shown[rest:at[0]]))
		rest = at[1]
		word := shown[at[0]:at[1]]
		actual, known := s.actual[word]
		switch {
		case word == "...":
			b.WriteString(".*")
		case known:
			b.WriteString(regexp.QuoteMeta(actual))
		case sample.FindString(word) == word:
			open = append(open, word)
			b.WriteString("(" + form(word) + ")")
		default:
			b.WriteString("(?:" + measured.String() + ")")
		}
	}
	b.WriteString(regexp.QuoteMeta(strings.TrimRight(shown[rest:], " ")) + " *$")
	return regexp.MustCompile(b.String()), open
}

func form(word string) string {
	for _, f := range forms {
		if regexp.MustCompile("^(?:" + f + ")$").MatchString(word) {
			return f
		}
	}
	return regexp.QuoteMeta(word)
}

// settle takes the samples of a line that matched.
func (s *samples) settle(shown, printed string) error {
	expr, open := s.line(shown)
	groups := expr.FindStringSubmatch(printed)
	for i, word := range open {
		actual := groups[i+1]
		if have, ok := s.actual[word]; ok && have != actual {
			return fmt.Errorf("%s stood for %s and stands for %s here", word, have, actual)
		}
		if other, ok := s.shown[actual]; ok && other != word {
			return fmt.Errorf("%s is shown as %s here and as %s before", actual, word, other)
		}
		s.actual[word], s.shown[actual] = actual, word
	}
	return nil
}

// A step of an alignment: a printed line that was shown ("="), that was not
// ("+"), that dots stand for ("."), or a shown line that was not printed ("-").
type step struct {
	kind           byte
	shown, printed int
}

// align finds the way from the shown lines to the printed ones with the fewest
// differences, and how many there are. Dots on a line of their own stand for
// any lines; with more, lines may follow the last one.
// Among equals, it is the way on which dots stand for the fewest lines.
func (s *samples) align(shown, printed []string, more bool) (steps []step, differences int) {
	exprs := make([]*regexp.Regexp, len(shown))
	for i, line := range shown {
		if strings.TrimSpace(line) != "..." {
			exprs[i], _ = s.line(line)
		}
	}
	n, m := len(shown), len(printed)
	cost := make([][]int, n+1)
	for i := n; i >= 0; i-- {
		cost[i] = make([]int, m+1)
		for j := m; j >= 0; j-- {
			_, cost[i][j] = cheapest(exprs, printed, cost, i, j, more)
		}
	}
	for i, j := 0, 0; i < n || j < m; {
		kind, _ := cheapest(exprs, printed, cost, i, j, more)
		steps = append(steps, step{kind, i, j})
		switch kind {
		case '=':
			i, j = i+1, j+1
		case '.', '+':
			j++
		default:
			i++
		}
	}
	return steps, cost[0][0] / difference
}

// difference is the cost of one; a line that dots stand for costs 1.
const difference = 1 << 20

// cheapest is the step to take at i and j; 'd' leaves dots behind.
func cheapest(exprs []*regexp.Regexp, printed []string, cost [][]int, i, j int, more bool) (byte, int) {
	n, m := len(exprs), len(printed)
	kind, best := byte(0), math.MaxInt
	take := func(k byte, c int) {
		if c < best {
			kind, best = k, c
		}
	}
	switch {
	case i == n && j == m:
		return 0, 0
	case i == n && more:
		return '.', m - j
	case i < n && exprs[i] == nil:
		take('d', cost[i+1][j])
		if j < m {
			take('.', 1+cost[i][j+1])
		}
		return kind, best
	}
	if i < n && j < m && exprs[i].MatchString(printed[j]) {
		take('=', cost[i+1][j+1])
	}
	if i < n {
		take('-', difference+cost[i+1][j])
	}
	if j < m {
		take('+', difference+cost[i][j+1])
	}
	return kind, best
}

// compare holds printed lines against shown ones and settles samples. Its text
// is empty if they agree, else a difference to read.
func (s *samples) compare(shown, printed []string, more bool) string {
	steps, differences := s.align(shown, printed, more)
	if differences > 0 {
		return render(steps, shown, printed)
	}
	for _, st := range steps {
		if st.kind != '=' {
			continue
		}
		if err := s.settle(shown[st.shown], printed[st.printed]); err != nil {
			return fmt.Sprintf("  %s\n  %v\n", printed[st.printed], err)
		}
	}
	return ""
}

func render(steps []step, shown, printed []string) string {
	var b strings.Builder
	for _, st := range steps {
		switch st.kind {
		case '=', '.':
			fmt.Fprintf(&b, "  %s\n", printed[st.printed])
		case '+':
			fmt.Fprintf(&b, "+ %s\n", printed[st.printed])
		case '-':
			fmt.Fprintf(&b, "- %s\n", shown[st.shown])
		}
	}
	return b.String()
}
