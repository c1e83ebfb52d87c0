//go:build unix

package interop

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
)

// published is where the TypeScript client is installed, once for all tests.
var published struct {
	once  sync.Once
	dir   string
	ready bool
}

// typescript builds and tests the client, and installs it as it would be
// published in a folder where scripts find it as @alknet/call.
func typescript(t *testing.T) string {
	t.Helper()
	npm, versions := need(t, "npm"), nodes(t)
	published.once.Do(func() {
		dir, err := os.MkdirTemp("", "alknet-typescript")
		if err != nil {
			t.Fatal(err)
		}
		published.dir = dir
		install(t, npm, versions, dir)
		published.ready = true
	})
	if !published.ready {
		t.Fatal("the client was not built: see the first test that asked for it")
	}
	return published.dir
}

func install(t *testing.T, npm string, versions []nodeJS, dir string) {
	t.Helper()
	src, client := "../../call/clients/typescript", filepath.Join(dir, "client")
	list, err := exec.Command("git", "-C", src, "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("list the client's sources: %v", err)
	}
	for file := range strings.FieldsSeq(string(list)) {
		copyFile(t, filepath.Join(src, file), filepath.Join(client, file))
	}
	in := func(where string, arg ...string) {
		t.Helper()
		run(t, "", "env", append([]string{"-C", where}, arg...)...).want(t, 0)
	}
	in(client, npm, "ci", "--no-audit", "--no-fund", "--no-update-notifier")
	in(client, npm, "run", "build")
	for _, n := range versions {
		in(client, "sh", "-c", n.path+" --test test/*.test.mjs")
	}
	in(client, npm, "pack", "--ignore-scripts", "--pack-destination", dir)
	packed, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(packed) != 1 {
		t.Fatalf("npm pack made %q, %v", packed, err)
	}
	installed := filepath.Join(dir, "node_modules", "@alknet", "call")
	if err := os.MkdirAll(installed, 0o755); err != nil {
		t.Fatal(err)
	}
	in(installed, "tar", "xzf", packed[0], "--strip-components=1")
	for _, file := range []string{"check.mjs", "run.mjs", "page.html"} {
		copyFile(t, filepath.Join("testdata/call", file), filepath.Join(dir, file))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

type nodeJS struct {
	path, version string
	flags         []string
}

// nodes are the installed versions of Node.js from 20 on. An older one, as
// Debian has it, counts as none.
func nodes(t *testing.T) []nodeJS {
	t.Helper()
	found := map[string]nodeJS{}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path, err := exec.LookPath(filepath.Join(dir, "node"))
		if err != nil {
			continue
		}
		out, err := exec.Command(path, "--version").Output()
		version := strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
		major, _, _ := strings.Cut(version, ".")
		number, errNumber := strconv.Atoi(major)
		if err != nil || errNumber != nil || number < 20 {
			continue
		}
		n := nodeJS{path: path, version: version}
		if number < 22 {
			n.flags = []string{"--experimental-websocket", "--no-warnings"}
		}
		found[version] = n
	}
	if len(found) == 0 {
		need(t, "node 20")
	}
	return slices.SortedFunc(maps.Values(found), func(a, b nodeJS) int { return strings.Compare(a.version, b.version) })
}

// wantSeen is what testdata/call/check.mjs sees, as JSON.
var wantSeen = map[string]string{
	"nobody": `"INTERNAL"`, "wrong": `"INTERNAL"`, "whoami": `"alice"`, "other": `"bob"`, "anonymous": `"FORBIDDEN"`,
	"add": `{"sum":5}`, "invalid": `"INVALID_INPUT"`, "missing": `"NOT_FOUND"`, "forbidden": `"FORBIDDEN"`, "timeout": `"TIMEOUT"`,
	"big": `true`, "batch": `[2,4,6]`, "schema": `["a","b"]`,
	"list": `["test/abandon","test/add","test/callback","test/collect","test/count","test/echo","test/flood","test/never",` +
		`"test/revoke","test/running","test/stopped","test/whoami"]`,
	"count": `[1,2,3]`, "flood": `3000`, "aborted": `"INTERNAL"`, "stoppedThere": `3`,
	"greeted": `"hello node"`, "counted": `[1,2,3]`, "unknownHere": `"NOT_FOUND"`, "stopped": `"page/never"`,
	"listedHere": `{"next":"page/never","operations":[{"name":"page/never","namespace":"page","op_type":"query"}],"protocol":{"concurrent":true}}`,
	"closed":     `"INTERNAL"`, "stoppedByClose": `4`, "header": `"bob"`, "revoked": `"INTERNAL"`,
}

func compareSeen(t *testing.T, text string, without ...string) {
	t.Helper()
	var seen map[string]json.RawMessage
	decode(t, text, &seen)
	for name, want := range wantSeen {
		if got := string(seen[name]); got != want && !slices.Contains(without, name) {
			t.Errorf("%s: %.300s, want %s", name, got, want)
		}
		delete(seen, name)
	}
	for name, got := range seen {
		t.Errorf("%s: %s", name, got)
	}
}

func TestCallNodeJS(t *testing.T) {
	dir := typescript(t)
	for _, n := range nodes(t) {
		t.Run(n.version, func(t *testing.T) {
			face := serveCalls(t, nil)
			arg := append([]string{"NODE_EXTRA_CA_CERTS=" + face.certificate, n.path}, n.flags...)
			got := run(t, "", "env", append(arg, filepath.Join(dir, "run.mjs"), face.options(t))...).want(t, 0)
			compareSeen(t, got.stdout)
			face.wantUnauthorized(t)
		})
	}
}

// A page is served the client as it is published, and does the same.
func TestCallChromium(t *testing.T) {
	browser := need(t, "chromium", "google-chrome")
	dir := typescript(t)
	report := make(chan string, 1)
	var face *callFace
	face = serveCalls(t, func(r chi.Router) {
		r.Get("/page/dist/*", http.StripPrefix("/page", http.FileServer(http.Dir(filepath.Join(dir, "node_modules/@alknet/call")))).ServeHTTP)
		r.Get("/page/options", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, face.options(t)) })
		r.Post("/page/report", func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			report <- string(b)
		})
		r.Get("/page/*", http.StripPrefix("/page", http.FileServer(http.Dir(dir))).ServeHTTP)
	})
	n := &node{addr: face.addr}
	open(t, browser, append(chromiumFlags(t, n), "--remote-debugging-port=0", "https://"+face.addr+"/page/page.html")...)
	select {
	case text := <-report:
		compareSeen(t, text, "header")
	case <-time.After(60 * time.Second):
		t.Fatal("the page reported nothing")
	}
}
