package cli

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const ambientVariable = "CLI_TEST_AMBIENT"

// TestNoAmbientRights gives a child the right to low ports, and looks at what
// the child's own child has.
func TestNoAmbientRights(t *testing.T) {
	if os.Getenv(ambientVariable) != "" {
		if !anyAmbient() {
			t.Fatal("no ambient capabilities were given")
		}
		if err := noAmbientRights(); err != nil {
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err) // the race detector needs cgo
			}
			t.Fatal(err)
		}
		out, err := exec.Command("grep", "-E", "^Cap(Amb|Eff)", "/proc/self/status").Output()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), "400") {
			t.Errorf("what the node runs has:\n%s", out)
		}
		own, err := os.ReadFile("/proc/self/status")
		if err != nil || !strings.Contains(string(own), "CapEff:\t0000000000000400") {
			t.Errorf("the node itself has lost the right: %v\n%s", err, own)
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can give capabilities")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// The folder of the test is root's; the file is found by its descriptor.
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestNoAmbientRights$", "-test.v")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), ambientVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: []uintptr{unix.CAP_NET_BIND_SERVICE},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	t.Logf("%s", out)
}
