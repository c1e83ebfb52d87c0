package ssh

import (
	"slices"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

func str(s string) []byte { return gossh.Marshal(struct{ S string }{s}) }

func ptyPayload(term, modes string, size ...uint32) []byte {
	return gossh.Marshal(struct {
		Term       string
		C, R, W, H uint32
		Modes      string
	}{term, size[0], size[1], size[2], size[3], modes})
}

func TestParseTerminalRequest(t *testing.T) {
	good := "\x35\x00\x00\x00\x01\x00"
	tests := []struct {
		name    string
		payload []byte
		want    *terminalRequest
	}{
		{"usual", ptyPayload("xterm", good, 80, 24, 640, 480), &terminalRequest{"xterm", windowSize{80, 24, 640, 480}, []terminalMode{{53, 1}}}},
		{"sizes are clamped", ptyPayload("", "", 1<<32-1, 65536, 0, 0), &terminalRequest{"", windowSize{65535, 65535, 0, 0}, nil}},
		{"reserved opcode ends the modes", ptyPayload("a", "\xa0\x01"+good, 1, 1, 0, 0), &terminalRequest{"a", windowSize{1, 1, 0, 0}, nil}},
		{"cut mode", ptyPayload("a", "\x35\x00\x00", 1, 1, 0, 0), nil},
		{"long TERM", ptyPayload(strings.Repeat("a", maxTerm+1), "", 1, 1, 0, 0), nil},
		{"TERM with a newline", ptyPayload("a\nb", "", 1, 1, 0, 0), nil},
		{"many modes", ptyPayload("a", strings.Repeat(good[:5], 300), 1, 1, 0, 0), nil},
		{"empty", nil, nil},
		{"length beyond the end", []byte{0xff, 0xff, 0xff, 0xff, 'x'}, nil},
		{"trailing bytes", append(ptyPayload("a", "", 1, 1, 0, 0), 0), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseTerminalRequest(tt.payload)
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("%+v, %v", got, err)
			}
			if err == nil && (got.Term != tt.want.Term || got.Size != tt.want.Size || !slices.Equal(got.Modes, tt.want.Modes)) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestParseCommand(t *testing.T) {
	for _, tt := range []struct {
		name    string
		payload []byte
		ok      bool
	}{
		{"usual", str("ls -l"), true},
		{"empty", str(""), true},
		{"longest", str(strings.Repeat("a", maxCommand)), true},
		{"too long", str(strings.Repeat("a", maxCommand+1)), false},
		{"NUL", str("ls\x00rm"), false},
		{"cut", str("ls")[:5], false},
		{"trailing bytes", append(str("ls"), 0), false},
	} {
		if _, err := parseCommand(tt.payload); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func FuzzTerminalRequest(f *testing.F) {
	f.Add(ptyPayload("xterm", "\x35\x00\x00\x00\x01\x00", 80, 24, 0, 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		r, err := parseTerminalRequest(payload)
		if err == nil && (len(r.Term) > maxTerm || len(r.Modes) > maxModes/5 || strings.ContainsAny(r.Term, "\x00\n ")) {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzEnv(f *testing.F) {
	f.Add(append(str("LANG"), str("C.UTF-8")...))
	f.Add(append(str("A=B"), str("x\x00y")...))
	f.Fuzz(func(t *testing.T, payload []byte) {
		name, value, err := parseEnv(payload)
		if err == nil && (name == "" || len(name) > maxEnvName || len(value) > maxEnvValue || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00")) {
			t.Errorf("%q %q", name, value)
		}
	})
}

func FuzzCommand(f *testing.F) {
	f.Add(str("ls -l"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, payload []byte) {
		command, err := parseCommand(payload)
		if err == nil && (len(command) > maxCommand || strings.Contains(command, "\x00")) {
			t.Errorf("%q", command)
		}
		if name, err := parseName(payload); err == nil && len(name) > 64 {
			t.Errorf("%q", name)
		}
	})
}

func FuzzWindowChange(f *testing.F) {
	f.Add(gossh.Marshal(struct{ C, R, W, H uint32 }{80, 24, 0, 0}))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if _, err := parseWindowChange(payload); err == nil && len(payload) != 16 {
			t.Errorf("%d bytes were accepted", len(payload))
		}
	})
}
