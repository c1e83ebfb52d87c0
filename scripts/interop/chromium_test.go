//go:build unix

package interop

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A browser over HTTP/3 and a pinned native client over QUIC use one UDP
// socket at the same time, and each gets the certificate that it accepts.
func TestChromiumBesideNativeClient(t *testing.T) {
	browser := need(t, "chromium", "google-chrome")
	n, c := serve(t), newClient(t)
	n.admit(t, "client", c.id)

	t.Run("page", func(t *testing.T) {
		log := filepath.Join(t.TempDir(), "net.json")
		got := run(t, "", browser, append(chromiumFlags(t, n), "--log-net-log="+log, "--dump-dom", "https://"+n.addr+"/")...).want(t, 0)
		if !strings.Contains(got.stdout, n.id) {
			t.Errorf("the page does not show the node id:\n%s", got.stdout)
		}
		netLog(t, log, n)
	})
	t.Run("beside a native client", func(t *testing.T) {
		open(t, browser, append(chromiumFlags(t, n), "--remote-debugging-port=0", "https://"+n.addr+"/")...)
		waitForHTTP3(t, n)
		got := c.alknet(t, "ping", "--json", "-c", "1", "--via", "quic", n.target()).want(t, 0)
		var answer struct{ Path, Trust, NodeID string }
		first, _, _ := strings.Cut(got.stdout, "\n")
		decode(t, strings.ReplaceAll(first, "node_id", "nodeid"), &answer)
		if answer.Path != "quic" || answer.Trust != "pin" || answer.NodeID != n.id {
			t.Errorf("ping: %s", first)
		}
		config := sshConfig(t, c, n)
		if out := ssh(t, config, "echo", "native").want(t, 0).stdout; out != "native\n" {
			t.Errorf("ssh beside the browser: %q", out)
		}
		if n := count(t, n, "h3"); n == 0 {
			t.Error("the browser's connection is gone")
		}
	})
}

func chromiumFlags(t *testing.T, n *node) []string {
	t.Helper()
	conn, err := tls.Dial("tcp", n.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatalf("fetch web certificate: %v", err)
	}
	defer conn.Close()
	spki := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	return []string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(),
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--origin-to-force-quic-on=" + n.addr,
		"--ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(spki[:]),
	}
}

// netLog finds, in what Chromium recorded, a QUIC session with the node whose
// handshake was completed and that carried an answer.
func netLog(t *testing.T, path string, n *node) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Constants struct{ LogEventTypes map[string]int }
		Events    []struct {
			Type   int
			Params json.RawMessage
			Source struct{ ID int }
		}
	}
	decode(t, string(raw), &log)
	types := log.Constants.LogEventTypes
	session := -1
	seen := map[string]bool{}
	for _, e := range log.Events {
		if e.Type == types["QUIC_SESSION"] && bytes.Contains(e.Params, []byte(`"port":`+n.port())) {
			session = e.Source.ID
		}
		for _, name := range []string{"QUIC_SESSION_CRYPTO_HANDSHAKE_COMPLETE", "HTTP3_HEADERS_DECODED"} {
			if e.Source.ID == session && e.Type == types[name] {
				seen[name] = name != "HTTP3_HEADERS_DECODED" || bytes.Contains(e.Params, []byte(":status: 200"))
			}
		}
	}
	if session < 0 || !seen["QUIC_SESSION_CRYPTO_HANDSHAKE_COMPLETE"] || !seen["HTTP3_HEADERS_DECODED"] {
		t.Errorf("the net log shows no answered HTTP/3 session with %s: session %d, %v", n.addr, session, seen)
	}
}

// open starts a program with children and ends them all with the test.
func open(t *testing.T, name string, arg ...string) {
	t.Helper()
	cmd := exec.Command(name, arg...)
	cmd.Env = environment(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
}

func waitForHTTP3(t *testing.T, n *node) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for count(t, n, "h3") == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the browser made no HTTP/3 connection")
		}
	}
}

// count asks the node how many connections of a protocol it has.
func count(t testing.TB, n *node, alpn string) (found int) {
	t.Helper()
	var status struct {
		Connections []struct{ ALPN string }
	}
	decode(t, n.alknet(t, "status", "--json").want(t, 0).stdout, &status)
	for _, c := range status.Connections {
		if c.ALPN == alpn {
			found++
		}
	}
	return found
}
