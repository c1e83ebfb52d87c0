package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	gossh "golang.org/x/crypto/ssh"

	"github.com/alkdev/alknet/alknet/internal/datadir"
	"github.com/alkdev/alknet/alknet/internal/keyring"
	"github.com/alkdev/alknet/core/dial"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"alknet": func() {
			leaveTerminal()
			main()
		},
	})
}

// TestScripts runs the scenarios of testdata/script. Beside the commands of
// testscript they have
//
//	code N alknet …    the exit code is N
//	serve NAME DIR …   runs a node until the script ends; sets $NAME_id,
//	                   $NAME_addr, $NAME_node and $NAME_pid
//	interrupted CMD…   once it has printed a line, SIGINT ends it with code 130
//	ended NAME         the node ends by itself now, with exit code 0
//	signal NAME SIG    sends HUP, TERM or KILL
//	logged NAME RE     the node has logged a line that matches, or does so soon
//	fetch URL [TOKEN]  GET, with a bearer token; the answer is 2xx
//	knock DIR NODE     the node in DIR, by its own key, opens an SSH session at NODE
//	words FILE         puts the numbered recovery words of stdout in a file
//	keys K…            stdout is a JSON object, or a list of such, with these keys
//	line FILE VAR      puts the first line of a file in a variable
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("ALKNET_DATA", filepath.Join(env.WorkDir, "data"))
			env.Values[nodesKey{}] = map[string]*served{}
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "race" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return raceDetector, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":        code,
			"serve":       serve,
			"interrupted": interrupted,
			"ended":       ended,
			"signal":      signalNode,
			"logged":      logged,
			"fetch":       fetch,
			"knock":       knock,
			"words":       words,
			"keys":        keys,
			"line":        line,
		},
	})
}

func arguments(ts *testscript.TestScript, neg, mayNeg bool, args []string, least int) {
	if neg && !mayNeg {
		ts.Fatalf("this command has no negative form")
	}
	if len(args) < least {
		ts.Fatalf("too few arguments")
	}
}

func code(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, false, args, 2)
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if text := ts.ReadFile("stderr"); want != 0 && strings.Count(strings.TrimSuffix(text, "\n"), "\n") != 0 {
		ts.Fatalf("an error is one line, not:\n%s", text)
	}
}

func interrupted(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, false, args, 2)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "ALKNET_DATA="+ts.Getenv("ALKNET_DATA"))
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewReader(out)
	_, failed := lines.ReadString('\n')
	cmd.Process.Signal(os.Interrupt)
	_, _ = io.Copy(io.Discard, lines)
	err = cmd.Wait()
	if failed != nil {
		ts.Fatalf("it printed nothing: %v", err)
	}
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		ts.Fatalf("exit code %d, want 130", got)
	}
}

type nodesKey struct{}

type served struct {
	cmd  *exec.Cmd
	done chan error
}

// patience is for what is expected to happen; no test passes by waiting.
const patience = 30 * time.Second

func serve(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, false, args, 2)
	name := args[0]
	cmd := exec.Command("alknet", append([]string{"serve", "--data", ts.MkAbs(args[1]), "--print-ready", "--listen", "127.0.0.1:0"}, args[2:]...)...)
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	cmd.Dir = ts.MkAbs(".")
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	s := &served{cmd, make(chan error, 1)}
	ts.Defer(func() { cmd.Process.Kill(); <-s.done; s.done <- nil })
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	first, err := bufio.NewReader(out).ReadString('\n')
	timer.Stop()
	go func() { s.done <- cmd.Wait() }()
	if err != nil {
		<-s.done
		s.done <- nil
		ts.Fatalf("the node did not start: %v\n%s", err, ts.ReadFile(name+".log"))
	}
	var ready struct {
		NodeID string   `json:"node_id"`
		Listen []string `json:"listen"`
		PID    int      `json:"pid"`
	}
	ts.Check(json.Unmarshal([]byte(first), &ready))
	if ready.PID != cmd.Process.Pid || len(ready.Listen) != 1 {
		ts.Fatalf("ready line %s", first)
	}
	ts.Setenv(name+"_id", ready.NodeID)
	ts.Setenv(name+"_addr", ready.Listen[0])
	ts.Setenv(name+"_node", "alknet://"+ready.NodeID+"@"+ready.Listen[0])
	ts.Setenv(name+"_pid", strconv.Itoa(ready.PID))
	ts.Value(nodesKey{}).(map[string]*served)[name] = s
}

func nodeNamed(ts *testscript.TestScript, name string) *served {
	s := ts.Value(nodesKey{}).(map[string]*served)[name]
	if s == nil {
		ts.Fatalf("no node %s", name)
	}
	return s
}

func ended(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, true, args, 1)
	s := nodeNamed(ts, args[0])
	select {
	case err := <-s.done:
		s.done <- nil
		if (err != nil) != neg {
			ts.Fatalf("node %s: %v\n%s", args[0], err, ts.ReadFile(args[0]+".log"))
		}
	case <-time.After(patience):
		ts.Fatalf("node %s still runs", args[0])
	}
}

func signalNode(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, false, args, 2)
	signals := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "KILL": os.Kill}
	ts.Check(nodeNamed(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

func logged(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, false, args, 2)
	pattern := regexp.MustCompile(args[1])
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !pattern.MatchString(ts.ReadFile(args[0] + ".log")); <-tick.C {
		if time.Now().After(end) {
			ts.Fatalf("not logged:\n%s", ts.ReadFile(args[0]+".log"))
		}
	}
}

func fetch(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, true, args, 1)
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	if len(args) > 1 {
		req.Header.Set("Authorization", "Bearer "+args[1])
	}
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	resp, err := (&http.Client{Transport: tr, Timeout: patience}).Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Logf("%s %s\n%s", resp.Proto, resp.Status, body)
	if (resp.StatusCode/100 == 2) == neg {
		ts.Fatalf("got %s", resp.Status)
	}
}

func knock(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, true, args, 2)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := openSession(ctx, ts.MkAbs(args[0]), args[1])
	ts.Logf("knock: %v", err)
	if ctx.Err() != nil {
		ts.Fatalf("no answer: %v", err)
	}
	if (err != nil) != neg {
		ts.Fatalf("got %v", err)
	}
}

func openSession(ctx context.Context, dir, node string) error {
	d, err := datadir.At(dir)
	if err != nil {
		return err
	}
	own, err := keyring.Open(ctx, d, nil)
	if err != nil {
		return err
	}
	defer own.Close()
	cert, err := own.Certificate()
	if err != nil {
		return err
	}
	target, err := dial.ParseTarget(node)
	if err != nil {
		return err
	}
	conn, _, err := (&dial.Dialer{Certificate: func(context.Context) (*tls.Certificate, error) { return &cert, nil }}).Dial(ctx, dial.Request{Target: target, ALPN: "alknet/ssh"})
	if err != nil {
		return err
	}
	defer conn.Close(0, "")
	stream, err := conn.OpenStream(ctx)
	if err != nil {
		return err
	}
	client, _, _, err := gossh.NewClientConn(stream, node, &gossh.ClientConfig{HostKeyCallback: gossh.InsecureIgnoreHostKey()})
	if err != nil {
		return err
	}
	return client.Close()
}

var numbered = regexp.MustCompile(`(\d+)\. ([a-z]+)`)

func words(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, false, args, 1)
	found := map[int]string{}
	for _, m := range numbered.FindAllStringSubmatch(ts.ReadFile("stdout"), -1) {
		n, _ := strconv.Atoi(m[1])
		found[n] = m[2]
	}
	var list []string
	for _, n := range slices.Sorted(maps.Keys(found)) {
		if n != len(list)+1 {
			ts.Fatalf("word %d is missing", len(list)+1)
		}
		list = append(list, found[n])
	}
	if len(list) < 12 {
		ts.Fatalf("%d words", len(list))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(list, " ")+"\n"), 0o600))
}

func keys(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, false, args, 1)
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	slices.Sort(args)
	for _, v := range list {
		object, ok := v.(map[string]any)
		if !ok {
			ts.Fatalf("%v is no object", v)
		}
		if got := slices.Sorted(maps.Keys(object)); !slices.Equal(got, args) {
			ts.Fatalf("keys %q, want %q", got, args)
		}
	}
}

func line(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, false, args, 2)
	first, _, _ := strings.Cut(ts.ReadFile(args[0]), "\n")
	ts.Setenv(args[1], first)
}
