package vault_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/alkdev/alknet/vault"
)

// crashDir tells a copy of this test binary to write vault files there until
// it is killed.
const crashDir = "ALKNET_VAULT_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		err := writeUntilKilled(dir)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func writeUntilKilled(dir string) error {
	v := vault.New()
	if err := v.Unlock(phrase, ""); err != nil {
		return err
	}
	path := filepath.Join(dir, "vault.age")
	a, b := vault.KeyFile(filepath.Join(dir, "a")), vault.KeyFile(filepath.Join(dir, "b"))
	for i := 0; ; i++ {
		if err := vault.Reseal(path, a, b); err != nil {
			return err
		}
		fmt.Println("there")
		if err := vault.Reseal(path, b, a); err != nil {
			return err
		}
		fmt.Println("and back")
		fresh := filepath.Join(dir, fmt.Sprintf("fresh-%d", i))
		if err := os.Mkdir(fresh, 0o700); err != nil {
			return err
		}
		if err := v.Save(filepath.Join(fresh, "vault.age"), vault.KeyFile(filepath.Join(fresh, "key"))); err != nil {
			return err
		}
		fmt.Println("made")
	}
}

func TestKillWhileWriting(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	if runtime.GOOS == "windows" {
		t.Skip("no SIGKILL")
	}
	v := unlocked(t, "")
	want := nodePublic(t, v)
	resealed, inside, missing := 0, 0, 0
	for round := range 25 {
		dir := t.TempDir()
		path := filepath.Join(dir, "vault.age")
		a, b := vault.KeyFile(filepath.Join(dir, "a")), vault.KeyFile(filepath.Join(dir, "b"))
		if err := v.Save(path, a); err != nil {
			t.Fatal(err)
		}
		killAfter(t, dir, 1+round%6, round%5*2000)

		if temps, _ := filepath.Glob(filepath.Join(dir, ".vault.age.tmp-*")); len(temps) > 0 {
			inside++
		}
		old := vault.New()
		err := old.Open(path, a)
		if errors.Is(err, vault.ErrWrongKeyFile) {
			resealed++
			err = old.Open(path, b)
		}
		if err != nil {
			t.Fatalf("round %d: neither the old file nor the new: %v", round, err)
		}
		if nodePublic(t, old) != want {
			t.Fatalf("round %d: another vault", round)
		}
		missing += checkFresh(t, dir, want)
		// The next writer is not hindered by what the killed one left.
		seal := a
		if vault.New().Open(path, a) != nil {
			seal = b
		}
		if err := vault.Reseal(path, seal, a); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if temps, _ := filepath.Glob(filepath.Join(dir, ".vault.age.tmp-*")); len(temps) > 0 {
			t.Errorf("round %d: temporary files stay: %v", round, temps)
		}
	}
	t.Logf("of 25 kills %d fell inside a write, %d left the second seal, %d a file not yet made", inside, resealed, missing)
}

// killAfter starts a writer and kills it some time after its nth line.
func killAfter(t *testing.T, dir string, progress, spin int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range progress {
		if !lines.Scan() {
			break
		}
	}
	for range spin {
		runtime.Gosched()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("kill: %v", err)
	}
	_ = cmd.Wait()
	if stderr.Len() > 0 {
		t.Fatalf("the writer failed: %s", stderr.String())
	}
}

// checkFresh opens every file that Save made and counts those it did not get to.
func checkFresh(t *testing.T, dir, want string) (missing int) {
	t.Helper()
	fresh, err := filepath.Glob(filepath.Join(dir, "fresh-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range fresh {
		v := vault.New()
		err := v.Open(filepath.Join(d, "vault.age"), vault.KeyFile(filepath.Join(d, "key")))
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			continue
		}
		if err != nil {
			t.Fatalf("a half-made vault: %v", err)
		}
		if nodePublic(t, v) != want {
			t.Fatal("another vault")
		}
	}
	return missing
}
