//go:build unix

package vault

import (
	"io/fs"
	"os"
	"syscall"
)

// forbidden are the bits of the mode that a private file must not have. An
// access list shows as rights of the group (acl(5)), and is how somebody else
// gives a file to this process alone; about the own files nobody has to guess.
func forbidden(info fs.FileInfo) fs.FileMode {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return 0o007
	}
	return 0o077
}
