package systemd

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxCredential bounds what is looked at, in bytes.
const maxCredential = 64 << 10

// Credential is the path of a credential that the manager has put there for this
// service (LoadCredential=), or empty: if there is none, or if it holds only
// comments, which is how a unit says that there need be none.
func Credential(name string) string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if !filepath.IsAbs(dir) {
		return ""
	}
	path := filepath.Join(dir, name)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return path // whoever reads it says what is wrong
	}
	defer f.Close()
	for s := bufio.NewScanner(io.LimitReader(f, maxCredential)); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" && line[0] != '#' {
			return path
		}
	}
	return ""
}
