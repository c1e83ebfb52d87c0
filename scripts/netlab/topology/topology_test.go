package topology_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alkdev/alknet/scripts/netlab"
	"github.com/alkdev/alknet/scripts/netlab/topology"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if code, ran := netlab.Rerun(); ran {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

const minimal = `
[[network]]
name = "n"
[[host]]
name = "a"
in = "n"
`

func TestRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"syntax", "[[network]]\nname = ", "line 2"},
		{"unknown key", "[[network]]\nname = \"n\"\ncolour = \"red\"", "line 3: unknown key network.colour"},
		{"two unknown keys", "a = 1\nb = 2", "line 2: unknown key b"},
		{"loss without a sign", minimal + `both = { loss = "1" }`, `"1"`},
		{"number for a delay", minimal + `both = { delay = 25 }`, `"25": want a duration`},
		{"jitter above delay", minimal + `both = { delay = "1ms", jitter = "2ms" }`, "both: Jitter"},
		{"both and up", minimal + "both = {}\nup = {}", "not all"},
		{"kind", minimal + "[[nat]]\nname = \"h\"\nin = \"n\"\nkind = \"odd\"", "full-cone"},
		{"prefix", "[[network]]\nname = \"n\"\nprefixes = [\"10.0.0.0\"]", "line 3"},
		{"two prefixes of one family", "[[network]]\nname = \"n\"\nprefixes = [\"10.0.0.0/24\", \"10.0.1.0/24\"]", "two of one family"},
		{"prefix of the other family", "[[network]]\nname = \"n\"\nonly = \"ipv6\"\nprefixes = [\"10.0.0.0/24\"]", "only"},
		{"only", "[[network]]\nname = \"n\"\nonly = \"ipx\"", "ipx"},
		{"no name", "[[network]]\n", "no name"},
		{"network twice", minimal + "[[network]]\nname = \"n\"", "taken"},
		{"host twice", minimal + "[[host]]\nname = \"a\"\nin = \"n\"", "taken"},
		{"no such network", "[[network]]\nname = \"n\"\n[[host]]\nname = \"a\"\nin = \"m\"", `"m" is not declared above; there is: n`},
		{"no host", "[[network]]\nname = \"n\"", "no [[host]]"},
		{"no command", minimal + "[[host.run]]\nready = \"x\"", "no command"},
		{"pattern", minimal + "[[host.run]]\ncommand = [\"true\"]\nready = \"(\"", "line 9"},
		{"event of nobody", minimal + "[[at]]\nafter = \"1s\"\nmove = \"n\"", "want a host or a nat"},
		{"event without content", minimal + "[[at]]\nafter = \"1s\"\nhost = \"a\"", "nothing happens"},
		{"host that rebinds", minimal + "[[at]]\nhost = \"a\"\nrebind = true", "rebind"},
		{"move to nowhere", minimal + "[[at]]\nhost = \"a\"\nmove = \"m\"", `"m"`},
		{"negative time", minimal + "[[at]]\nafter = \"-1s\"\nhost = \"a\"\nmove = \"n\"", "-1s"},
		{"no such nat", minimal + "[[at]]\nnat = \"n\"\nrebind = true", "nat:"},
		{"too large", "# " + strings.Repeat("x", topology.MaxSize), "larger"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := topology.Read(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestPicture(t *testing.T) {
	top, err := topology.Read(strings.NewReader(`
[[network]]
name = "internet"
only = "ipv4"
prefixes = ["203.0.113.0/24"]
[[nat]]
name = "home"
in = "internet"
kind = "symmetric"
up = { rate = "20mbit" }
[[host]]
name = "client"
in = "home"
[[host]]
name = "server"
in = "internet"
both = { delay = "25ms", loss = "1%" }
[[host.run]]
command = ["cat", "-"]
[[at]]
after = "9s"
nat = "home"
rebind = true
[[at]]
after = "5s"
host = "client"
move = "internet"
down = { loss = "100%" }
`))
	if err != nil {
		t.Fatal(err)
	}
	want := `internet  203.0.113.0/24  ipv4 only
├── home  NAT symmetric  [up: rate 20mbit]
│   └── client
└── server  [both ways: delay 25ms, loss 1%]  runs cat -

at 5s client moves to internet and gets the link [down: loss 100%]
at 9s home forgets its mappings
`
	if got := top.String(); got != want {
		t.Errorf("picture\n%swant\n%s", got, want)
	}
}

func open(t *testing.T, text string) (*netlab.Lab, *topology.Setup) {
	t.Helper()
	top, err := topology.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	lab := netlab.New(t, netlab.Config{Seed: top.Seed, MTU: top.MTU})
	setup, err := top.Build(lab)
	if err != nil {
		t.Fatal(err)
	}
	return lab, setup
}

func TestPlay(t *testing.T) {
	_, setup := open(t, `
[[network]]
name = "internet"
pmtud = true
[[network]]
name = "mobile"
only = "ipv6"
[[nat]]
name = "home"
in = "internet"
prefix = "192.168.7.0/24"
[[host]]
name = "client"
in = "home"
[[at]]
after = "1ms"
host = "client"
move = "mobile"
up = { delay = "5ms" }
[[at]]
after = "2ms"
nat = "home"
rebind = true
move = "internet"
both = { loss = "100%" }
`)
	client, gateway := setup.Host(""), setup.Network("home").Gateway()
	if got := client.Addr4().String(); got != "192.168.7.2" {
		t.Errorf("the client has %s", got)
	}
	outside := gateway.Outside()
	var log []string
	if err := setup.Play(t.Context(), func(what string) { log = append(log, what) }); err != nil {
		t.Fatal(err)
	}
	if len(log) != 2 || client.Network().Name() != "mobile" || client.Addr4().IsValid() {
		t.Errorf("log %q, and the client is in %s", log, client.Network().Name())
	}
	if gateway.Outside() == outside {
		t.Error("the NAT did not move")
	}
	if setup.Host("nobody") != nil || setup.Network("nowhere") != nil {
		t.Error("names that nobody has are known")
	}
}

func TestPrograms(t *testing.T) {
	for _, tt := range []struct {
		name, command, ready string
		want                 error
	}{
		{"ready", `"sh", "-c", "echo; echo it serves; exec sleep 1000"`, "^it serves$", nil},
		{"not waited for", `"sleep", "1000"`, "", nil},
		{"ends too early", `"sh", "-c", "echo no >&2; exit 3"`, "serves", topology.ErrNotReady},
		{"ends well too early", `"true"`, "serves", topology.ErrNotReady},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lab, setup := open(t, minimal+"[[host.run]]\ncommand = ["+tt.command+"]\nready = \""+tt.ready+"\"\n")
			var out strings.Builder
			err := setup.Start(t.Context(), &out)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if err := lab.Close(); err != nil {
				t.Fatal(err)
			}
			setup.Wait()
			if tt.ready != "" && tt.want == nil && !strings.Contains(out.String(), "a: it serves\n") {
				t.Errorf("output %q", out.String())
			}
		})
	}
}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := topology.Read(strings.NewReader(string(text))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRead: no text makes it panic, and what it accepts can be drawn.
func FuzzRead(f *testing.F) {
	f.Add(minimal)
	f.Fuzz(func(t *testing.T, text string) {
		top, err := topology.Read(strings.NewReader(text))
		if err == nil && top.String() == "" {
			t.Error("a valid topology has no picture")
		}
	})
}
