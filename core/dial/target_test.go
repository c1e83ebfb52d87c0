package dial_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/dial"
)

func testID(t testing.TB) auth.NodeID {
	t.Helper()
	return newNode(t).id
}

func TestParseTarget(t *testing.T) {
	id := testID(t)
	ids := id.String()
	for _, test := range []struct {
		in   string
		want dial.Target
	}{
		{"alknet://" + ids + "@node.example:1", dial.Target{ID: id, Host: "node.example", Port: 1}},
		{ids + "@node.example:1", dial.Target{ID: id, Host: "node.example", Port: 1}},
		{ids + "@node.example", dial.Target{ID: id, Host: "node.example", Port: 4433}},
		{ids + "@[::1]:65535", dial.Target{ID: id, Host: "::1", Port: 65535}},
		{ids, dial.Target{ID: id}},
		{"alknet://" + ids, dial.Target{ID: id}},
		{"node.example:22", dial.Target{Host: "node.example", Port: 22}},
		{"Node.EXAMPLE", dial.Target{Host: "node.example", Port: 4433}},
		{"alknet://node.example", dial.Target{Host: "node.example", Port: 4433}},
		{"localhost", dial.Target{Host: "localhost", Port: 4433}},
		{"192.0.2.1:1", dial.Target{Host: "192.0.2.1", Port: 1}},
		{"[2001:DB8:0::1]", dial.Target{Host: "2001:db8::1", Port: 4433}},
		{"[fe80::1%eth0]:2", dial.Target{Host: "fe80::1%eth0", Port: 2}},
		{"xn--bcher-kva.example", dial.Target{Host: "xn--bcher-kva.example", Port: 4433}},
		{"3com", dial.Target{Host: "3com", Port: 4433}},
	} {
		t.Run(test.in, func(t *testing.T) {
			got, err := dial.ParseTarget(test.in)
			if err != nil || got != test.want {
				t.Fatalf("got %+v, %v, want %+v", got, err, test.want)
			}
			if again, err := dial.ParseTarget(got.String()); err != nil || again != got {
				t.Errorf("%s reads back as %+v, %v", got, again, err)
			}
		})
	}
}

func TestParseTargetRefuses(t *testing.T) {
	id := testID(t).String()
	for name, in := range map[string]string{
		"empty":                  "",
		"scheme alone":           "alknet://",
		"dash":                   "-oProxyCommand=x",
		"dash host":              "-host:1",
		"dash after scheme":      "alknet://-host",
		"dash after id":          id + "@-host",
		"other scheme":           "https://node.example",
		"path":                   "node.example/x",
		"trailing slash":         "alknet://node.example/",
		"user name":              "alice@node.example",
		"id in upper case":       strings.ToUpper(id) + "@node.example",
		"short id":               id[:51] + "@node.example",
		"id without address":     id + "@",
		"id with port":           id + ":4433",
		"two ids":                id + "@" + id,
		"two at":                 id + "@" + id + "@x",
		"port 0":                 "x:0",
		"port too big":           "x:65536",
		"port with zero":         "x:022",
		"port with sign":         "x:+22",
		"empty port":             "x:",
		"empty host":             ":22",
		"bare IPv6":              "2001:db8::1",
		"bracketed IPv4":         "[192.0.2.1]:1",
		"bracketed name":         "[x]:1",
		"mapped IPv4":            "[::ffff:192.0.2.1]",
		"open bracket":           "[::1",
		"text after bracket":     "[::1]x",
		"evil zone":              "[fe80::1%$(x)]",
		"space":                  "a b",
		"newline":                "a\nb",
		"NUL":                    "a\x00b",
		"underscore":             "a_b",
		"trailing dot":           "a.",
		"empty label":            "a..b",
		"long label":             strings.Repeat("a", 64),
		"long name":              strings.Repeat("a.", 130) + "a",
		"international":          "bücher.example",
		"half an IPv4 address":   "192.0.2",
		"decimal IPv4 address":   "3221225985",
		"hex IPv4 address":       "0xc0000201",
		"IPv4 with leading zero": "192.0.2.01",
		"very long":              strings.Repeat("a", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := dial.ParseTarget(in)
			var te *dial.TargetError
			if !errors.As(err, &te) || !got.IsZero() {
				t.Fatalf("got %+v, %v", got, err)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestParseNode(t *testing.T) {
	id := testID(t)
	asked := ""
	saved := func(name string) (string, bool, error) {
		asked = name
		switch name {
		case "home":
			return id.String() + "@home.example:1", true, nil
		case "loop":
			return "home", true, nil
		case "broken":
			return "", false, errors.New("disk")
		}
		return "", false, nil
	}
	home := dial.Target{ID: id, Host: "home.example", Port: 1}
	if got, err := dial.ParseNode("home", saved); err != nil || got != home {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := dial.ParseNode("home", nil); err != nil || got != (dial.Target{Host: "home", Port: 4433}) {
		t.Errorf("without names: got %+v, %v", got, err)
	}
	if got, err := dial.ParseNode("loop", saved); err != nil || got.Host != "home" || !got.ID.IsZero() {
		t.Errorf("a name stands for a name: got %+v, %v", got, err)
	}
	if _, err := dial.ParseNode("broken", saved); err == nil {
		t.Error("an error of the address book was lost")
	}
	for _, in := range []string{id.String(), "home:1", "Home", "-home", ""} {
		asked = ""
		dial.ParseNode(in, saved)
		if asked != "" {
			t.Errorf("%q was taken for a saved name", in)
		}
	}
	if dial.ValidName(id.String()) || dial.ValidName(strings.Repeat("a", 64)) || !dial.ValidName(strings.Repeat("a", 63)) {
		t.Error("ValidName")
	}
}

func TestParseVia(t *testing.T) {
	for _, v := range []dial.Via{dial.Auto, dial.OnlyQUIC, dial.OnlyTCP} {
		if got, err := dial.ParseVia(v.String()); err != nil || got != v {
			t.Errorf("%v: got %v, %v", v, got, err)
		}
	}
	if _, err := dial.ParseVia("QUIC"); err == nil {
		t.Error("QUIC was read")
	}
}
