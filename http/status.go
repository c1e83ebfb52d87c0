package alkhttp

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
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
func newStatusPage(status func() Status) http.HandlerFunc {
	page := template.Must(template.New("status").Parse(
		strings.Replace(statusHTML, "<style></style>", "<style>"+statusCSS+"</style>", 1)))
	sum := sha256.Sum256([]byte(statusCSS))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return func(w http.ResponseWriter, _ *http.Request) {
		var buf bytes.Buffer
		if err := page.Execute(&buf, status()); err != nil {
			serveError(w, http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(buf.Bytes())
	}
}
