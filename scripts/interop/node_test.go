//go:build unix

package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is where the program under test is built, once for all tests.
var binary struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range []string{binary.dir, published.dir} {
		if dir != "" {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// program builds alknet from the working tree.
func program(t testing.TB) string {
	t.Helper()
	goTool := need(t, "go")
	binary.once.Do(func() {
		if binary.dir, binary.err = os.MkdirTemp("", "alknet-interop"); binary.err != nil {
			return
		}
		out, err := exec.Command(goTool, "build", "-o", binary.dir, "github.com/alkdev/alknet/alknet").CombinedOutput()
		if err != nil {
			binary.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatalf("build alknet: %v", binary.err)
	}
	return filepath.Join(binary.dir, "alknet")
}

// environment is that of every program that the tests start: no agent, no
// configuration and no data directory of the person who runs them.
func environment(t testing.TB) []string {
	env := []string{"HOME=" + t.TempDir(), "LC_ALL=C", "TERM=xterm"}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH", "USER", "LOGNAME", "SHELL", "TMPDIR", "GOCOVERDIR":
			env = append(env, kv)
		}
	}
	return env
}

// outcome is what a program left behind.
type outcome struct {
	stdout, stderr string
	code           int
}

// run starts a program that ends by itself within a minute. It has no terminal
// to ask on.
func run(t testing.TB, stdin string, name string, arg ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, arg...)
	cmd.Env = environment(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("run %s %q: %v\n%s", name, arg, err, &stderr)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// want fails the test unless the program ended with that code.
func (o outcome) want(t testing.TB, code int) outcome {
	t.Helper()
	if o.code != code {
		t.Fatalf("exit code %d, want %d\nstdout: %s\nstderr: %s", o.code, code, o.stdout, o.stderr)
	}
	return o
}

// node is a data directory, and a running node if serve made it.
type node struct {
	dir  string
	id   string
	addr string // host:port

	cmd    *exec.Cmd
	exited chan struct{}
	stderr lockedBuffer
	ready  time.Duration // from the start of the process to its ready line
}

// alknet runs a command on the node's data directory.
func (n *node) alknet(t testing.TB, arg ...string) outcome {
	t.Helper()
	return run(t, "", program(t), append([]string{"--data", n.dir}, arg...)...)
}

func (n *node) target() string { return "alknet://" + n.id + "@" + n.addr }

func (n *node) port() string {
	_, port, _ := net.SplitHostPort(n.addr)
	return port
}

// newClient is a data directory with a key, on which no node runs.
func newClient(t testing.TB) *node {
	t.Helper()
	n := &node{dir: filepath.Join(t.TempDir(), "client")}
	n.alknet(t, "init").want(t, 0)
	var id struct {
		NodeID string `json:"node_id"`
	}
	decode(t, n.alknet(t, "id", "--json").want(t, 0).stdout, &id)
	n.id = id.NodeID
	return n
}

// serve runs a new node on a port that the kernel chooses.
func serve(t testing.TB) *node {
	t.Helper()
	n := &node{dir: filepath.Join(t.TempDir(), "node")}
	n.start(t, "127.0.0.1:0")
	return n
}

// start runs the node, which must not run already.
func (n *node) start(t testing.TB, listen string) {
	t.Helper()
	n.cmd = exec.Command(program(t), "--data", n.dir, "serve", "--listen", listen, "--print-ready")
	n.cmd.Env = environment(t)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	n.cmd.Stderr = &n.stderr
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := n.cmd.Start(); err != nil {
		t.Fatalf("start node: %v", err)
	}
	cut := time.AfterFunc(30*time.Second, func() { n.cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	cut.Stop()
	n.ready = time.Since(began)
	exited := make(chan struct{})
	n.exited = exited
	cmd := n.cmd
	go func() {
		io.Copy(io.Discard, stdout)
		cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() { stop(t, cmd, exited) })
	if err != nil {
		t.Fatalf("node said nothing: %v\n%s", err, n.stderr.String())
	}
	var ready struct {
		NodeID string   `json:"node_id"`
		Listen []string `json:"listen"`
		PID    int      `json:"pid"`
	}
	decode(t, line, &ready)
	if len(ready.Listen) != 1 || ready.PID != n.cmd.Process.Pid || len(ready.NodeID) != 52 {
		t.Fatalf("ready line %q", line)
	}
	n.id, n.addr = ready.NodeID, ready.Listen[0]
}

// stop ends a node by the id of its process.
func stop(t testing.TB, cmd *exec.Cmd, exited <-chan struct{}) {
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(20 * time.Second):
		t.Errorf("node %d did not stop", cmd.Process.Pid)
		cmd.Process.Kill()
		<-exited
	}
}

// kill ends the node as a power cut does.
func (n *node) kill() {
	n.cmd.Process.Kill()
	<-n.exited
}

// admit lists c's node key as a peer that may run commands and shells.
func (n *node) admit(t testing.TB, name, key string) {
	t.Helper()
	n.alknet(t, "peer", "add", name, key, "--scope", "ssh:exec", "--scope", "ssh:shell", "--as-admin").want(t, 0)
}

func decode(t testing.TB, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
}

// lockedBuffer collects what a running program says.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
