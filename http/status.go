package alkhttp

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"strings"
)

// Status is what the page at / tells everybody who asks. Put nothing into it
// that only some may know.
type Status struct {
	NodeID    string    // in z-base-32
	Version   string    // "" is not shown
	Protocols []string  // protocol names (ALPN) in the order to show
	Commands  []Command // how to connect
}

// A Command is one line to try, with what it does.
type Command struct {
	Label string
	Line  string
}

//go:embed status.html
var statusHTML string

//go:embed status.css
var statusCSS string

// newStatusPage returns a page that loads nothing, runs nothing, submits
// nothing and cannot be framed.
//
// It does without html/template, which keeps the linker from leaving unused
// methods out of the whole program (docs/decisions/0011).
func newStatusPage(status func() Status) http.HandlerFunc {
	shell := strings.Replace(statusHTML, "<style></style>", "<style>"+statusCSS+"</style>", 1)
	sum := sha256.Sum256([]byte(statusCSS))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return func(w http.ResponseWriter, _ *http.Request) {
		page := status().fill(shell)
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = io.WriteString(w, page)
	}
}

// fill puts s into the shell's marks. All of it is text of elements, for which
// escaping five characters is enough (HTML, section 13.1.2.6).
func (s Status) fill(shell string) string {
	version := ""
	if s.Version != "" {
		version = " Version " + html.EscapeString(s.Version) + "."
	}
	var protocols, commands strings.Builder
	if len(s.Protocols) > 0 {
		protocols.WriteString("<section>\n<h2>Protocols</h2>\n<ul>")
		for _, name := range s.Protocols {
			protocols.WriteString("<li><code>" + html.EscapeString(name) + "</code></li>")
		}
		protocols.WriteString("</ul>\n</section>\n")
	}
	if len(s.Commands) > 0 {
		commands.WriteString("<section>\n<h2>How to connect</h2>\n<dl>\n")
		for _, c := range s.Commands {
			commands.WriteString("<dt>" + html.EscapeString(c.Label) + "</dt>\n<dd><code>" + html.EscapeString(c.Line) + "</code></dd>\n")
		}
		commands.WriteString("</dl>\n</section>\n")
	}
	return strings.NewReplacer(
		"<!--version-->", version,
		"<!--id-->", html.EscapeString(s.NodeID),
		"<!--protocols-->", protocols.String(),
		"<!--commands-->", commands.String(),
	).Replace(shell)
}
