//go:build unix

package systemd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/alkdev/alknet/alknet/internal/systemd"
)

// childVariable makes the test binary the service of TestTakeSockets.
const childVariable = "SYSTEMD_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// report is what the child saw.
type report struct {
	Err     string
	Sockets [][2]string
	Left    []string // variables
	Open    bool     // descriptor 3, in a child of its own
}

func child() {
	m, err := systemd.Take()
	var r report
	if err != nil {
		r.Err = err.Error()
	}
	for _, s := range m.Sockets {
		pair := [2]string{s.TCP.Addr().String()}
		if s.UDP != nil {
			pair[1] = s.UDP.LocalAddr().String()
		}
		r.Sockets = append(r.Sockets, pair)
	}
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "NOTIFY_") || strings.HasPrefix(name, "WATCHDOG_") {
			r.Left = append(r.Left, name)
		}
	}
	r.Open = exec.Command("sh", "-c", "true <&3").Run() == nil
	json.NewEncoder(os.Stdout).Encode(r)
}

// start runs the child with descriptors from 3 on, as a manager does: the
// number of the process is known to that alone.
func start(t *testing.T, count string, files ...*os.File) report {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=$1 LISTEN_FDNAMES=first:second NOTIFY_SOCKET=@x WATCHDOG_USEC=1 exec "$0"`, self, count)
	cmd.Env = append(os.Environ(), childVariable+"=1", "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return r
}

func filed[C interface{ File() (*os.File, error) }](t *testing.T, c C) *os.File {
	t.Helper()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func listenTCP(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

func TestTakeSockets(t *testing.T) {
	ln := listenTCP(t)
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(ln.Addr().(*net.TCPAddr).AddrPort()))
	if err != nil {
		t.Skipf("the port is taken on UDP: %v", err)
	}
	defer udp.Close()
	stray, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer stray.Close()
	conn, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	addr := ln.Addr().String()
	tcp, datagrams := filed(t, ln), filed(t, udp)
	for _, test := range []struct {
		name  string
		count string
		files []*os.File
		want  [][2]string
		err   string
	}{
		{"none", "0", nil, nil, ""},
		{"TCP", "1", []*os.File{tcp}, [][2]string{{addr, ""}}, ""},
		{"both", "2", []*os.File{tcp, datagrams}, [][2]string{{addr, addr}}, ""},
		{"UDP first", "2", []*os.File{datagrams, tcp}, [][2]string{{addr, addr}}, ""},
		{"fewer than passed", "1", []*os.File{tcp, datagrams}, [][2]string{{addr, ""}}, ""},
		{"UDP alone", "1", []*os.File{datagrams}, nil, "no listener of TCP beside it"},
		{"another port on UDP", "2", []*os.File{tcp, filed(t, stray)}, nil, "no listener of TCP beside it"},
		{"a connection", "1", []*os.File{filed(t, conn.(*net.TCPConn))}, nil, `descriptor 3 ("first") is no listener of TCP (Accept=`},
		{"a Unix socket", "2", []*os.File{tcp, filed(t, unix.(*net.UnixListener))}, nil, `descriptor 4 ("second") is no listener of TCP`},
		{"a file", "1", []*os.File{plain}, nil, "neither a listener of TCP nor a socket of UDP"},
		{"no number", "x", nil, nil, `LISTEN_FDS is "x"`},
		{"negative", "-1", nil, nil, "LISTEN_FDS"},
		{"very many", "65", nil, nil, "LISTEN_FDS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, test.count, test.files...)
			if !slices.Equal(r.Sockets, test.want) || test.err == "" && r.Err != "" || !strings.Contains(r.Err, test.err) {
				t.Errorf("got %v, error %q", r.Sockets, r.Err)
			}
			if r.Left != nil || r.Open {
				t.Errorf("left to children: variables %v, descriptor %t", r.Left, r.Open)
			}
		})
	}
}

func TestTakeIsNotForOthers(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("WATCHDOG_PID", "1")
	t.Setenv("WATCHDOG_USEC", "1000000")
	m, err := systemd.Take()
	if err != nil || m.Sockets != nil || m.Watchdog != 0 || m.Notifies() {
		t.Errorf("took %+v, %v", m, err)
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "WATCHDOG_PID", "WATCHDOG_USEC"} {
		if v, ok := os.LookupEnv(name); ok {
			t.Errorf("%s=%s is left", name, v)
		}
	}
}

func TestWatchdog(t *testing.T) {
	for usec, want := range map[string]time.Duration{
		"30000000": 30 * time.Second, "": 0, "0": 0, "-5": 0, "x": 0, "9223372036854775807": 0, "1": time.Microsecond,
	} {
		t.Setenv("WATCHDOG_USEC", usec)
		t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
		m, err := systemd.Take()
		if err != nil || m.Watchdog != want {
			t.Errorf("%q: got %v, %v, want %v", usec, m.Watchdog, err, want)
		}
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	for name, addr := range map[string]string{"path": path, "abstract": "@alknet-test-" + filepath.Base(filepath.Dir(path)) + fmt.Sprint(os.Getpid())} {
		t.Run(name, func(t *testing.T) {
			l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
			if err != nil {
				t.Skipf("no such socket here: %v", err)
			}
			defer l.Close()
			t.Setenv("NOTIFY_SOCKET", addr)
			m, err := systemd.Take()
			if err != nil || !m.Notifies() {
				t.Fatalf("%+v, %v", m, err)
			}
			for _, test := range []struct {
				name string
				send func() error
				want string
			}{
				{"ready", func() error { return m.Ready("two\nlines\x1b") }, `^READY=1\nSTATUS=two lines $`},
				{"reloading", m.Reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*$`},
				{"stopping", func() error { return m.Stopping("s", time.Minute) }, `^STOPPING=1\nSTATUS=s\nEXTEND_TIMEOUT_USEC=60000000$`},
				{"extend", func() error { return m.Extend(time.Second) }, `^EXTEND_TIMEOUT_USEC=1000000$`},
				{"alive", m.Alive, `^WATCHDOG=1$`},
			} {
				if err := test.send(); err != nil {
					t.Errorf("%s: %v", test.name, err)
					continue
				}
				buf := make([]byte, 512)
				n, err := l.Read(buf)
				if err != nil || !regexp.MustCompile(test.want).Match(buf[:n]) {
					t.Errorf("%s: %q, %v", test.name, buf[:n], err)
				}
			}
			l.Close()
			os.Remove(addr)
			if err := m.Alive(); err == nil {
				t.Error("nobody listens, and no error")
			}
		})
	}
	if err := new(systemd.Manager).Ready("x"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
}

func TestCredential(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"key": "# made\nAGE-SECRET-KEY-1\n", "comment": "# in the data directory", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ dir, name, want string }{
		{dir, "key", filepath.Join(dir, "key")},
		{dir, "comment", ""},
		{dir, "empty", ""},
		{dir, "absent", ""},
		{"", "key", ""},
		{"relative", "key", ""},
		{filepath.Join(dir, "key"), "no folder", filepath.Join(dir, "key", "no folder")}, // and its error
	} {
		t.Setenv("CREDENTIALS_DIRECTORY", test.dir)
		if got := systemd.Credential(test.name); got != test.want {
			t.Errorf("%s in %q: got %q, want %q", test.name, test.dir, got, test.want)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	ln := listenTCP(t)
	m := systemd.Manager{Sockets: []systemd.Socket{{TCP: ln}}}
	m.Close()
	m.Close()
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
