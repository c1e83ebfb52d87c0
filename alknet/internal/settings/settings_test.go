package settings_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/alknet/internal/settings"
	"github.com/alkdev/alknet/call"
)

func TestDefaults(t *testing.T) {
	for _, test := range []struct{ name, text string }{{"empty", ""}, {"template", settings.Template}} {
		t.Run(test.name, func(t *testing.T) {
			s, err := settings.Parse([]byte(test.text), "config.toml")
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Listen) != 1 || s.Listen[0] != ":4433" || s.Log.Level != "info" || s.Log.Format != "text" {
				t.Errorf("got %+v", s)
			}
		})
	}
	if _, err := settings.Load(filepath.Join(t.TempDir(), "none.toml")); err != nil {
		t.Errorf("missing file: %v", err)
	}
}

var commented = regexp.MustCompile(`(?m)^# ?(\[.*\]|[a-z_]+ = .*)$`)

// TestTemplateNamesRealSettings takes the comment signs away: every setting
// that the template tells of must exist and have the default that it tells.
func TestTemplateNamesRealSettings(t *testing.T) {
	text := commented.ReplaceAllString(settings.Template, "$1")
	if strings.Count(text, "\n[") < 6 {
		t.Fatalf("few tables were found:\n%s", text)
	}
	text = strings.Replace(text, `forwarded = false`, `forwarded = true`, 1) // as the comment above it demands
	s, err := settings.Parse([]byte(text), "template")
	if err != nil {
		t.Fatal(err)
	}
	empty, err := settings.Parse(nil, "empty")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Limits.Config(), empty.Limits.Config().WithDefaults(); got != want {
		t.Errorf("limits in the template %+v, defaults %+v", got, want)
	}
	if !reflect.DeepEqual(s.Listen, empty.Listen) || !reflect.DeepEqual(s.Log, empty.Log) {
		t.Errorf("got %+v and %+v, want %+v and %+v", s.Listen, s.Log, empty.Listen, empty.Log)
	}
}

func TestParseAll(t *testing.T) {
	s, err := settings.Parse([]byte(`
listen = ["127.0.0.1:0", "[::1]:443"]
drain = "1m30s"
[roles]
dev = ["ssh:forward:*:*", "git:write:**"]
[limits]
conns_per_ip = 7
handshake_timeout = "3s"
[log]
level = "debug"
format = "json"
[[tls.certificates]]
cert = "certs/a.pem"
key = "certs/a.key"
[acme]
domains = ["a.example"]
[[call.imports]]
node = "far"
expose = [{ operations = ["far/a/*", "far/b"], scope = "call:far/a" }]
[[call.imports]]
node = "alknet://nj7a8u168w1w6hrn7d9pag3a4wrwma6stzpet11i8mzpfbsdeico@h.example"
name = "lab"
prefix = "lab/one"
operations = ["math/*"]
[transport]
gro = false
`), "config.toml")
	if err != nil {
		t.Fatal(err)
	}
	if s.Drain.Value() != 90*time.Second || s.Limits.Config().ConnsPerIP != 7 || s.Limits.Config().HandshakeTimeout != 3*time.Second ||
		len(s.Roles["dev"]) != 2 || s.TLS.Certificates[0].Key != "certs/a.key" || s.Transport.GRO == nil || *s.Transport.GRO {
		t.Errorf("got %+v", s)
	}
	far, lab := s.Call.Imports[0], s.Call.Imports[1]
	if want := (call.Import{Prefix: "far", Expose: []call.Exposure{
		{Operations: "far/a/*", Scope: "call:far/a"}, {Operations: "far/b", Scope: "call:far/a"},
	}}); far.Name != "far" || !reflect.DeepEqual(far.Config(), want) {
		t.Errorf("got %+v", far)
	}
	if want := (call.Import{Prefix: "lab/one", Operations: []string{"math/*"}}); lab.Name != "lab" || !reflect.DeepEqual(lab.Config(), want) {
		t.Errorf("got %+v", lab)
	}
}

func TestParseFaults(t *testing.T) {
	for _, test := range []struct {
		name, text string
		line       int // 0: not the fault of one line
		want       string
	}{
		{"unknown key", "\n\nlisen = []\n", 3, `unknown key "lisen"`},
		{"unknown key in a table", "[limits]\nconns = 1\n", 2, `unknown key "limits.conns"`},
		{"unknown table", "[limit]\nconns_per_ip = 1\n", 1, "unknown key"},
		{"where a key file lies", "[vault]\nkey_file = \"x\"\n", 1, "unknown key"},
		{"no value", "listen =\n", 1, ""},
		{"open list", "drain = \"1s\"\nlisten = [\":1\"\n", 2, ""},
		{"twice", "drain = \"1s\"\ndrain = \"2s\"\n", 0, "drain"},
		{"wrong type", "listen = 4433\n", 1, ""},
		{"list for a table", "limits = []\n", 1, ""},
		{"address without port", `listen = ["localhost"]`, 0, "not host:port"},
		{"no duration", `drain = "soon"`, 0, "not a duration"},
		{"negative duration", `drain = "-1s"`, 0, "not a duration"},
		{"level", "[log]\nlevel = \"loud\"", 0, "log.level"},
		{"format", "[log]\nformat = \"xml\"", 0, "log.format"},
		{"scope", "[roles]\ndev = [\"nonsense\"]", 0, "dev"},
		{"role name", "[roles]\nDev = [\"git:read:x\"]", 0, "Dev"},
		{"negative limit", "[limits]\nhandshakes = -1", 0, "handshakes"},
		{"half a certificate", "[[tls.certificates]]\ncert = \"x\"", 0, "both cert and key"},
		{"acme nobody can reach", "[acme]\ndomains = [\"a.example\"]", 0, "port 443"},
		{"import of no node", "[[call.imports]]\nprefix = \"x\"", 1, "node is missing"},
		{"import of what is no node", "[[call.imports]]\nnode = \"a b\"", 1, "not a node"},
		{"unnamed import", "[[call.imports]]\nnode = \"h.example:1\"", 1, "name is missing"},
		{"name of an import", "[[call.imports]]\nnode = \"a\"\nname = \"a/b\"", 1, "lower-case"},
		{"import named local", "[[call.imports]]\nnode = \"local\"\nprefix = \"x\"", 1, "stands for this node"},
		{"import named twice", "[[call.imports]]\nnode = \"a\"\n\n[[call.imports]]\nnode = \"a\"\nprefix = \"b\"", 4, `entry 2: the name "a"`},
		{"import without scope", "[log]\n[[call.imports]]\nnode = \"a\"\nexpose = [{operations = [\"a/*/*\"]}]", 2, "the scope is missing"},
		{"import with a pattern for a scope", "[[call.imports]]\nnode = \"a\"\nexpose = [{operations = [\"a/*/*\"], scope = \"call:*\"}]", 1, "cannot be required"},
		{"import that exposes nothing", "[[call.imports]]\nnode = \"a\"\nexpose = [{scope = \"call:x\"}]", 1, "operations is missing"},
		{"import that exposes names there", "[[call.imports]]\nnode = \"a\"\nexpose = [{operations = [\"math/*\"], scope = \"call:x\"}]", 1, `begin with "a/"`},
		{"import with a bad pattern", "[[call.imports]]\nnode = \"a\"\noperations = [\"a/**/b\"]", 1, "operations"},
		{"import of nothing", "[[call.imports]]\nnode = \"a\"\noperations = []", 1, "operations is empty"},
		{"prefix of discovery", "[[call.imports]]\nnode = \"a\"\nprefix = \"services\"", 1, "reserved"},
		{"prefix of the node", "[[call.imports]]\nnode = \"a\"\nprefix = \"node/x\"", 1, "this node's own"},
		{"overlapping prefixes", "[[call.imports]]\nnode = \"a\"\n[[call.imports]]\nnode = \"b\"\nprefix = \"a/b\"", 3, "overlap"},
		{"imports in one line", `call = {imports = [{node = "a"}, {node = "b", prefix = "a"}]}`, 0, "entry 2"},
		{"unknown key of an import", "[[call.imports]]\nnode = \"a\"\nscope = \"call:x\"", 3, "unknown key"},
		{"unknown key of a rule", "[[call.imports]]\nnode = \"a\"\nexpose = [{operation = \"a/x\"}]", 3, "unknown key"},
		{"not UTF-8", "drain = \"\xff\"", 0, ""},
		{"NUL", "drain = \"\x00\"", 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := settings.Parse([]byte(test.text), "config.toml")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "config.toml:") {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			var syntax *settings.SyntaxError
			if errors.As(err, &syntax) {
				if test.line != 0 && syntax.Line != test.line {
					t.Errorf("line %d, want %d: %v", syntax.Line, test.line, err)
				}
			} else if test.line != 0 {
				t.Errorf("no line: %v", err)
			}
		})
	}
}

func TestLoadRefusesWhatIsNoConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte("#"+strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.Load(path); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("large file: %v", err)
	}
	if _, err := settings.Load(filepath.Dir(path)); err == nil {
		t.Error("folder: no error")
	}
}

// FuzzParse: whatever the file holds, it is settings that stand or an error
// which names the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte(settings.Template))
	f.Add([]byte("[[call.imports]]\nnode = \"a\"\nexpose = [{operations = [\"a/b\"], scope = \"call:x\"}]\n"))
	f.Add([]byte("listen = [\":1\"]\n[limits]\nconns_per_ip = 1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := settings.Parse(raw, "config.toml")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "config.toml:") {
				t.Errorf("an error that names no file: %v", err)
			}
			return
		}
		if len(s.Listen) == 0 || s.Drain.Value() < 0 {
			t.Errorf("accepted %+v", s)
		}
		if err := s.Limits.Config().Validate(); err != nil {
			t.Error(err)
		}
		if err := s.Roles.Validate(); err != nil {
			t.Error(err)
		}
		for _, i := range s.Call.Imports {
			if err := i.Config().Check(); err != nil || i.Name == "" {
				t.Errorf("accepted %+v: %v", i, err)
			}
		}
	})
}
