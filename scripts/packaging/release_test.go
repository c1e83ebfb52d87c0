package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/spdxlib"
)

// packed is a file of an archive.
type packed struct {
	mode fs.FileMode
	body []byte
}

// unpack reads an archive, and checks that nothing in it tells who made it.
func unpack(t *testing.T, file string) map[string]packed {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]packed{}
	var names []string
	add := func(name string, mode fs.FileMode, r io.Reader) {
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
		files[name] = packed{mode, body}
	}
	if strings.HasSuffix(file, ".zip") {
		z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, f.Mode(), r)
		}
	} else {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" {
				t.Errorf("%s belongs to %d:%d %s:%s", h.Name, h.Uid, h.Gid, h.Uname, h.Gname)
			}
			add(h.Name, h.FileInfo().Mode(), r)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("the entries are not in order: %v", names)
	}
	return files
}

// native checks what the linker made, without the help of file(1).
func native(t *testing.T, goos, goarch string, binary []byte) {
	t.Helper()
	r := bytes.NewReader(binary)
	switch goos {
	case "linux":
		f, err := elf.NewFile(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[goarch]; f.Machine != want {
			t.Errorf("is for %s, want %s", f.Machine, want)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("is not static: it has a segment %s", p.Type)
			}
		}
	case "darwin":
		f, err := macho.NewFile(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[goarch]; f.Cpu != want || f.Type != macho.TypeExec {
			t.Errorf("is a %s for %s, want an executable for %s", f.Type, f.Cpu, want)
		}
	case "windows":
		f, err := pe.NewFile(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]uint16{"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "arm64": pe.IMAGE_FILE_MACHINE_ARM64}[goarch]; f.Machine != want {
			t.Errorf("is for machine %#x, want %#x", f.Machine, want)
		}
	}
}

func TestArchives(t *testing.T) {
	dir := made(t, "ALKNET_RELEASE")
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, goarch := range []string{"amd64", "arm64"} {
			t.Run(goos+"/"+goarch, func(t *testing.T) {
				suffix, program := ".tar.gz", "alknet"
				if goos == "windows" {
					suffix, program = ".zip", "alknet.exe"
				}
				file := packageFile(t, dir, "alknet_*_"+goos+"_"+goarch+suffix)
				top := strings.TrimSuffix(filepath.Base(file), suffix) + "/"
				files := unpack(t, file)
				for _, name := range []string{program, "LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md", "THIRD-PARTY-NOTICES.txt",
					"man/alknet.1", "man/alknet-serve.1", "completions/alknet.bash", "completions/_alknet", "completions/alknet.fish", "completions/alknet.ps1"} {
					f, ok := files[top+name]
					want := fs.FileMode(0o644)
					if name == program {
						want = 0o755
					}
					if !ok || len(f.body) == 0 || f.mode != want {
						t.Errorf("%s: in it %t, %d bytes, mode %s, want %s", name, ok, len(f.body), f.mode, want)
					}
				}
				native(t, goos, goarch, files[top+program].body)
				if goos != runtime.GOOS || goarch != runtime.GOARCH {
					return
				}
				path := filepath.Join(t.TempDir(), program)
				if err := os.WriteFile(path, files[top+program].body, 0o755); err != nil {
					t.Fatal(err)
				}
				said := command(t, path, "version")
				version := strings.Split(top, "_")[1]
				if !strings.HasPrefix(said, "alknet v"+version+" (commit ") || !strings.Contains(said, goos+"/"+goarch) {
					t.Errorf("'alknet version' says %q, want v%s, a commit and the platform", said, version)
				}
			})
		}
	}
}

func command(t testing.TB, name string, arg ...string) string {
	t.Helper()
	out, err := exec.Command(name, arg...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arg, " "), err, out)
	}
	return string(out)
}

// packageFile is the one file of a release that matches the pattern.
func packageFile(t testing.TB, dir, pattern string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, pattern))
	if len(found) != 1 {
		t.Fatalf("%s: %d files match %s, want 1", dir, len(found), pattern)
	}
	return found[0]
}

// inPackages is what both kinds of package install.
var inPackages = []string{
	"/usr/bin/alknet", "/usr/share/man/man1/alknet.1.gz", "/usr/share/bash-completion/completions/alknet",
	"/usr/share/fish/vendor_completions.d/alknet.fish", "/usr/lib/systemd/system/alknet.service",
	"/usr/lib/systemd/system/alknet.socket", "/usr/lib/sysusers.d/alknet.conf", "/usr/share/doc/alknet/THIRD-PARTY-NOTICES.txt",
}

func TestDeb(t *testing.T) {
	dpkgDeb, dpkg := need(t, "dpkg-deb"), need(t, "dpkg")
	dir := made(t, "ALKNET_RELEASE")
	for _, goarch := range []string{"amd64", "arm64"} {
		t.Run(goarch, func(t *testing.T) {
			file := packageFile(t, dir, "alknet_*_"+goarch+".deb")
			if got := strings.TrimSpace(command(t, dpkgDeb, "-f", file, "Architecture")); got != goarch {
				t.Errorf("is for %s, want %s", got, goarch)
			}
			listing := map[string]string{}
			for line := range strings.Lines(command(t, dpkgDeb, "-c", file)) {
				f := strings.Fields(line)
				listing[strings.TrimPrefix(f[5], ".")] = f[0] + " " + f[1]
			}
			for _, path := range append(inPackages, "/usr/share/doc/alknet/copyright", "/usr/share/doc/alknet/changelog.Debian.gz", "/usr/share/zsh/vendor-completions/_alknet") {
				want := "-rw-r--r-- root/root"
				if path == "/usr/bin/alknet" {
					want = "-rwxr-xr-x root/root"
				}
				if listing[path] != want {
					t.Errorf("%s: %q, want %q", path, listing[path], want)
				}
			}
			if next := os.Getenv("ALKNET_RELEASE_NEXT"); next != "" && goarch == runtime.GOARCH {
				older := strings.TrimSpace(command(t, dpkgDeb, "-f", file, "Version"))
				newer := strings.TrimSpace(command(t, dpkgDeb, "-f", packageFile(t, next, "alknet_*_"+goarch+".deb"), "Version"))
				command(t, dpkg, "--compare-versions", older, "lt", newer)
			}
		})
	}
}

func TestRPM(t *testing.T) {
	rpm := need(t, "rpm")
	dir := made(t, "ALKNET_RELEASE")
	for _, arch := range []string{"x86_64", "aarch64"} {
		t.Run(arch, func(t *testing.T) {
			file := packageFile(t, dir, "alknet-*."+arch+".rpm")
			if got := command(t, rpm, "-qp", "--qf", "%{ARCH} %{LICENSE}", file); got != arch+" "+ownLicence {
				t.Errorf("got %q, want %s and our licence", got, arch)
			}
			listing := map[string]string{}
			for line := range strings.Lines(command(t, rpm, "-qp", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME}\n]", file)) {
				f := strings.Fields(line)
				listing[f[0]] = f[1] + " " + f[2]
			}
			for _, path := range append(inPackages, "/usr/share/licenses/alknet/LICENSE", "/usr/share/zsh/site-functions/_alknet") {
				want := "-rw-r--r-- root/root"
				if path == "/usr/bin/alknet" {
					want = "-rwxr-xr-x root/root"
				}
				if listing[path] != want {
					t.Errorf("%s: %q, want %q", path, listing[path], want)
				}
			}
		})
	}
}

// sums reads SHA256SUMS and checks it.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		listed[name] = sum
		if got, err := sha256File(filepath.Join(dir, name)); err != nil || got != sum {
			t.Errorf("%s: %s, %v; %s says %s", name, got, err, sumsName, sum)
		}
	}
	return listed
}

func TestBillOfMaterials(t *testing.T) {
	dir := made(t, "ALKNET_RELEASE")
	listed := sums(t, dir)
	if len(listed) != 11 {
		t.Errorf("%d files, want six archives, four packages and the bill of materials: %v", len(listed), listed)
	}
	raw, err := os.ReadFile(packageFile(t, dir, "alknet_*.spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc v2_3.Document
	if err := spdxjson.ReadInto(bytes.NewReader(raw), &doc); err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(&doc); err != nil {
		t.Error(err)
	}
	parts := map[common.ElementID]*v2_3.Package{}
	for _, p := range doc.Packages {
		parts[p.PackageSPDXIdentifier] = p
		if p.PackageLicenseConcluded == "" || p.PackageLicenseConcluded == noAssert {
			t.Errorf("%s has no licence", p.PackageName)
		}
	}
	contained := map[common.ElementID]int{}
	for _, r := range doc.Relationships {
		if r.Relationship == common.TypeRelationshipContains {
			contained[r.RefA.ElementRefID]++
		}
	}
	for _, r := range doc.Relationships {
		if r.Relationship != common.TypeRelationshipDescribe {
			continue
		}
		p := parts[r.RefB.ElementRefID]
		if sum := p.PackageChecksums[0].Value; sum != listed[p.PackageFileName] {
			t.Errorf("%s: sum %s, but %s says %q", p.PackageFileName, sum, sumsName, listed[p.PackageFileName])
		}
		if n := contained[r.RefB.ElementRefID]; n < 10 {
			t.Errorf("%s contains %d modules; a node links more", p.PackageFileName, n)
		}
		delete(listed, p.PackageFileName)
	}
	if len(listed) != 1 {
		t.Errorf("not described: %v", listed)
	}
}

// The licences of one tree say nothing about a binary from another.
func TestLinkedRefusesAnotherTree(t *testing.T) {
	other := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(other, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "other")
	command(t, "go", "build", "-o", binary, other)
	if _, _, err := linked(binary); err == nil {
		t.Error("took a binary that was not built from this tree")
	}
	if _, _, err := linked(other); err == nil {
		t.Error("took a source file for a binary")
	}
}

func TestDocumentIsStable(t *testing.T) {
	r := &release{version: "1.2.3", commit: fmt.Sprintf("%040d", 7), artifacts: []artifact{{
		name: "alknet_1.2.3_linux_amd64.tar.gz", sha256: strings.Repeat("0", 64), platform: "linux/amd64",
		modules: []module{{path: "example.com/b/v2", version: "v2.0.0", licence: "MIT"}, {path: "example.com/a", version: "v1.0.0", sum: "h1:x", licence: "ISC AND MIT"}, {path: home, own: true, licence: ownLicence}},
	}}}
	var made [2]bytes.Buffer
	for i := range made {
		if err := spdxjson.Write(r.document(), &made[i]); err != nil {
			t.Fatal(err)
		}
	}
	if made[0].Len() == 0 || made[0].String() != made[1].String() {
		t.Error("two documents of one release differ")
	}
	if want := `"(Apache-2.0 OR MIT) AND ISC AND MIT"`; !strings.Contains(made[0].String(), want) {
		t.Errorf("no %s in %s", want, &made[0])
	}
}
