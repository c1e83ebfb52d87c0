package guides

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// local are machines without namespaces: a home each.
func local(t *testing.T, g *Guide) map[string]*Host {
	t.Helper()
	// A session dies with the thread that started it.
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	hosts := map[string]*Host{}
	for _, m := range g.Machines {
		home := t.TempDir()
		hosts[m.Name] = &Host{Home: home, Files: home, Command: func(name string, arg ...string) Program {
			cmd := exec.Command(name, arg...)
			cmd.Env, cmd.Dir = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, home
			return Program{cmd, cmd.Start, cmd.Wait}
		}}
	}
	return hosts
}

func play(t *testing.T, path string) error {
	t.Helper()
	g, err := Parse(path)
	if err != nil {
		return err
	}
	r := Runner{Guide: g, Hosts: local(t, g), State: t.TempDir()}
	return r.Run()
}

func TestGoodGuide(t *testing.T) {
	if err := play(t, "testdata/good.md"); err != nil {
		t.Error(err)
	}
}

// A guide that does not hold fails with its name, its line and what is wrong.
func TestBadGuides(t *testing.T) {
	tests := map[string]string{
		"bad-output":      "bad-output.md:3: home$ printf 'one\\n2\\nthree\\nfour\\n'\nit prints something else\n  one\n- two\n+ 2\n  three\n  four\n",
		"more-output":     "more-output.md:3: home$ printf 'one\\ntwo\\n'\nit prints something else\n  one\n+ two\n",
		"missing-command": "missing-command.md:3: home$ no-such-program\nit ended with exit code 127 instead of 0 and printed\n",
		"exit-code":       "it ended with exit code 3 instead of 0 and printed\noh",
		"first-fails":     "first-fails.md:5: home$ (exit 3)\nit ended with exit code 3 instead of 0",
		"unknown-machine": `unknown-machine.md:3: no machine is called "laptop"`,
		"unmarked":        "unmarked.md:2: nothing says what happens with this block",
		"go-unmarked":     "go-unmarked.md:2: nothing says what happens with this block",
		"no-reason":       "no-reason.md:3: say why this is not run",
		"unknown-comment": "unknown-comment.md:3: this comment means nothing to the test",
		"stray-comment":   "stray-comment.md:3: no block follows this comment",
		"indented":        "indented.md:3: a block that the test does not see",
		"in-text":         "in-text.md:3: a command in a block of text",
		"no-end":          "no-end.md:2: the block has no end",
		"no-command":      "no-command.md:3: output without a command",
		"two-samples":     "06144f98028d0e816ae4a63222a67b934a29063e986d89e51e69a89ff8c82184 is shown as 2222222222222222222222222222222222222222222222222222222222222222 here and as 1111111111111111111111111111111111111111111111111111111111111111 before",
		"ends":            "ends.md:5: home$ echo ready; exit 4\nit was to go on running and ended with exit code 4",
		"ends-early":      "it was to go on running and has ended\n- ready\n  no\n",
		"not-asked":       `not-asked.md:5: home$ echo hello` + "\n" + `it did not ask "Name? "`,
		"no-folder":       "no-folder.md:4: the folder of ~/nowhere/x",
	}
	files, err := filepath.Glob("testdata/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(tests)+1 {
		t.Errorf("%d files in testdata, %d tests", len(files), len(tests)+1)
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			err := play(t, filepath.Join("testdata", name+".md"))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got:\n%v\nwant it to contain:\n%s", err, want)
			}
		})
	}
}
