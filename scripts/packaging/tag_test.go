package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// shell runs a line in dir and returns what it printed.
func shell(t testing.TB, dir string, env []string, line string) string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", line)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A release is tagged in a clone of this repository, and a stranger then installs
// it by 'go install' from the tags alone.
func TestTag(t *testing.T) {
	made(t, "ALKNET_RELEASE") // tidying every module takes its time
	t.Parallel()
	need(t, "zip")
	git := need(t, "git")
	const version = "v0.997.0"
	clone := filepath.Join(t.TempDir(), "clone")
	command(t, git, "clone", "-q", "../..", clone)
	who := []string{"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@localhost", "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@localhost", "GOWORK=", "GOFLAGS="}
	before := shell(t, clone, nil, "git rev-parse HEAD")

	shell(t, clone, who, "scripts/tag "+version)
	if now := shell(t, clone, nil, "git tag; git rev-parse HEAD"); now != before {
		t.Fatalf("without --yes there are changes: %s", now)
	}
	shell(t, clone, who, "scripts/tag "+version+" --yes")
	tags := strings.Fields(shell(t, clone, nil, "git tag --points-at HEAD~1"))
	want := strings.Fields(shell(t, clone, nil, ". scripts/modules.sh; for m in $libs $cli; do echo $m/"+version+"; done"))
	slices.Sort(want)
	if !slices.Equal(tags, want) || !slices.Contains(want, "alknet/"+version) || slices.Contains(want, "scripts/packaging/"+version) {
		t.Errorf("tags %v\nwant %v", tags, want)
	}
	if got := shell(t, clone, nil, "git rev-list --count "+before+"..HEAD; git rev-parse HEAD~2"); got != "2\n"+before {
		t.Errorf("want two commits on top of %s, got %s", before, got)
	}
	shell(t, clone, nil, "test -z \"$(git status --porcelain)\"; ! grep -q alkdev alknet/go.sum; git show HEAD~1:CHANGELOG.md | grep -q '^## 0.997.0 - '")

	mods, bin := t.TempDir(), t.TempDir()
	t.Cleanup(func() { exec.Command("chmod", "-R", "u+w", mods).Run() })
	stranger := []string{
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://" + clone + ".insteadOf", "GIT_CONFIG_VALUE_0=" + home,
		"GOPRIVATE=" + strings.TrimPrefix(home, "https://"), "GOMODCACHE=" + mods, "GOBIN=" + bin, "GOWORK=off", "GOFLAGS=-trimpath", "CGO_ENABLED=0",
		"GOPROXY=file://" + filepath.Join(command1(t, "go", "env", "GOMODCACHE"), "cache/download") + "," + command1(t, "go", "env", "GOPROXY"),
	}
	shell(t, t.TempDir(), stranger, "go install github.com/alkdev/alknet/alknet@"+version)
	if said := command(t, filepath.Join(bin, "alknet"), "version"); !strings.HasPrefix(said, "alknet "+version+" (") || !strings.Contains(said, runtime.GOOS) {
		t.Errorf("the installed program says %q, want %s", said, version)
	}
	shell(t, clone, stranger, "git checkout -q HEAD~1; cd alknet; go mod verify; go mod tidy -diff; go vet .")

	t.Run("twice", func(t *testing.T) {
		shell(t, clone, nil, "if scripts/tag "+version+" 2>said; then false; fi; grep -q 'is never tagged again' said")
	})
	t.Run("second major version", func(t *testing.T) {
		shell(t, clone, nil, "if scripts/tag v2.0.0 2>said; then false; fi; grep -q 'must end in the major version' said")
	})
}

func command1(t testing.TB, name string, arg ...string) string {
	t.Helper()
	return strings.TrimSpace(command(t, name, arg...))
}
