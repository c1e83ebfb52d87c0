package acme

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// writerFolder makes the test binary a process that writes until it is killed.
const writerFolder = "ALKNET_TEST_ACME_WRITER"

func writeForever(folder string) {
	path := filepath.Join(folder, "file")
	for n := 0; ; n++ {
		if err := write(path, numbered(n)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// numbered is a content that shows where it was cut.
func numbered(n int) []byte {
	return fmt.Appendf(nil, "%d %s %d\n", n, strings.Repeat("x", 200_000+n%1000), n)
}

func TestKilledWriterLeavesOldOrNew(t *testing.T) {
	for kill := range 4 {
		t.Run(fmt.Sprint(kill), func(t *testing.T) {
			folder := t.TempDir()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), writerFolder+"="+folder)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				cmd.Process.Kill()
				cmd.Wait()
			}()
			lines := bufio.NewScanner(out)
			for range 3 + 5*kill {
				if !lines.Scan() {
					break
				}
				// What is seen at any moment is what a kill then would leave.
				for range 10 {
					wholeVersion(t, folder)
				}
			}
			acknowledged := lines.Text()
			cmd.Process.Kill()
			for lines.Scan() {
				acknowledged = lines.Text()
			}
			cmd.Wait()

			var least int
			if _, err := fmt.Sscan(acknowledged, &least); err != nil {
				t.Fatalf("the writer said %q", acknowledged)
			}
			if n := wholeVersion(t, folder); n < least {
				t.Errorf("version %d, but %d was acknowledged", n, least)
			}
			if err := (store{folder}).prepare(); err != nil {
				t.Fatal(err)
			}
			left, _ := filepath.Glob(filepath.Join(folder, tempPrefix+"*"))
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func wholeVersion(t *testing.T, folder string) int {
	t.Helper()
	data, err := read(filepath.Join(folder, "file"))
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscan(string(data), &n); err != nil || string(data) != string(numbered(n)) {
		t.Fatalf("the file is neither old nor new: %d bytes, %v", len(data), err)
	}
	return n
}

// TestCrashBetweenFiles goes through the states between the writes of an order.
func TestCrashBetweenFiles(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuthority{t: t, valid: quarter}
		m := f.manager(folder)
		during(t, m, time.Second, nil)
		stale, err := record{Failures: 3, TriedAt: now(), NextTry: now().Add(time.Hour), LastError: "stale"}.encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := write(m.store.recordPath("example.org"), stale); err != nil {
			t.Fatal(err)
		}
		again := f.manager(folder)
		if s := again.Status()[0]; s.Failures != 0 || s.LastError != nil || s.NotAfter.IsZero() {
			t.Errorf("status: %+v", s)
		}
		during(t, again, time.Second, nil)
		if _, err := os.Stat(m.store.recordPath("example.org")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the stale record is still there: %v", err)
		}
		if len(f.orders) != 1 {
			t.Errorf("%d orders", len(f.orders))
		}
	})
}

func TestDamagedFilesAreKept(t *testing.T) {
	other := string(mint(t, "other.example", quarter).file)
	good := string(mint(t, "example.org", quarter).file)
	cut := good[:len(good)-30]
	tests := []struct {
		name string
		file string // of the domain, by its ending
		data string
		load bool // the certificate is still used
	}{
		{"empty", ".pem", "", false},
		{"cut", ".pem", cut, false},
		{"without a chain", ".pem", good[:strings.Index(good, "-----BEGIN CERT")], false},
		{"of another name", ".pem", other, false},
		{"of another key", ".pem", other[:strings.Index(other, "-----BEGIN CERT")] + good[strings.Index(good, "-----BEGIN CERT"):], false},
		{"too large", ".pem", strings.Repeat("A", maxFile+1), false},
		{"record", ".json", `{"version":1`, true},
		{"record of the future", ".json", `{"version":2}`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeAuthority{t: t, valid: quarter}
				during(t, f.manager(folder), time.Second, nil)
				place := newStore(folder, LetsEncrypt).folder
				path := filepath.Join(place, "example.org"+tt.file)
				if err := os.WriteFile(path, []byte(tt.data), 0o600); err != nil {
					t.Fatal(err)
				}

				m := f.manager(folder)
				if kept, _ := os.ReadFile(path); string(kept) != tt.data {
					t.Fatal("New changed the file")
				}
				var damaged *DamagedError
				if s := m.Status()[0]; tt.load == errors.As(s.LastError, &damaged) || tt.load == s.NotAfter.IsZero() {
					t.Errorf("status: %+v", s)
				}
				if damaged != nil && damaged.Path != path {
					t.Errorf("path %s", damaged.Path)
				}
				during(t, m, time.Second, nil)
				if want := 1; len(f.orders) == want != tt.load {
					t.Errorf("%d orders", len(f.orders))
				}
				if s := m.Status()[0]; s.LastError != nil || s.NotAfter.IsZero() {
					t.Errorf("status at the end: %+v", s)
				}
				kept, _ := filepath.Glob(path + ".damaged-*")
				if len(kept) != 1 {
					t.Fatalf("kept: %v", kept)
				}
				if data, _ := os.ReadFile(kept[0]); string(data) != tt.data {
					t.Error("the kept file is another one")
				}
			})
		})
	}
}

func TestFilesAreTheOwners(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	folder := filepath.Join(t.TempDir(), "certs")
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuthority{t: t, valid: quarter}
		m := f.manager(folder)
		during(t, m, time.Second, nil)
		for path, want := range map[string]fs.FileMode{
			m.store.folder:                         0o700 | fs.ModeDir,
			m.store.certificatePath("example.org"): 0o600,
		} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != want {
				t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
			}
		}
	})
}

func TestDamagedAccountIsKept(t *testing.T) {
	s := store{t.TempDir()}
	discard, err := New(Config{Domains: []string{"example.org"}, Folder: s.folder})
	if err != nil {
		t.Fatal(err)
	}
	a := &account{store: s, logger: discard.config.Logger}
	if err := a.open(); err != nil {
		t.Fatal(err)
	}
	same := &account{store: s, logger: a.logger}
	if err := same.open(); err != nil || !same.key.Equal(a.key) {
		t.Fatalf("opened again: %v", err)
	}
	if err := os.WriteFile(s.accountPath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := &account{store: s, logger: a.logger}
	if err := fresh.open(); err != nil || fresh.key.Equal(a.key) {
		t.Fatalf("opened damaged: %v", err)
	}
	if kept, _ := filepath.Glob(s.accountPath() + ".damaged-*"); len(kept) != 1 {
		t.Errorf("kept: %v", kept)
	}
}

func TestAuthoritiesAreKeptApart(t *testing.T) {
	folder := t.TempDir()
	seen := make(map[string]string)
	for _, directory := range []string{LetsEncrypt, LetsEncryptStaging, "https://ca.example/a", "https://ca.example/b", "https://[::1]:14000/dir"} {
		at := newStore(folder, directory).folder
		if filepath.Dir(at) != folder {
			t.Errorf("%s is at %s", directory, at)
		}
		if before, ok := seen[at]; ok {
			t.Errorf("%s and %s share a folder", directory, before)
		}
		seen[at] = directory
	}
}

func TestHookIsForNames(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeAuthority{t: t, valid: quarter}
		m := f.manager(folder)
		during(t, m, time.Second, nil)
		for name, want := range map[string]bool{
			"example.org": true, "EXAMPLE.org": true, "example.org.": true,
			"": false, "www.example.org": false, "other.example": false,
		} {
			cert, err := m.Certificate(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: []string{"h2"}})
			if err != nil || (cert != nil) != want {
				t.Errorf("%q: certificate %v, error %v", name, cert != nil, err)
			}
		}
		_, err := m.Certificate(&tls.ClientHelloInfo{ServerName: "example.org", SupportedProtos: []string{challengeProtocol}})
		if !errors.Is(err, ErrNoChallenge) {
			t.Errorf("acme-tls/1 without a challenge: %v", err)
		}
	})
}
