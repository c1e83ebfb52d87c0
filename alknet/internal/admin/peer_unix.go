//go:build linux || darwin || freebsd

package admin

import (
	"io/fs"
	"net"
	"slices"
	"syscall"
)

func allowUID(c net.Conn, peer func(fd int) (uint32, error), uids ...uint32) bool {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return false
	}
	allowed := false
	err = raw.Control(func(fd uintptr) {
		uid, err := peer(int(fd))
		allowed = err == nil && slices.Contains(uids, uid)
	})
	return err == nil && allowed
}

func ownerOf(fi fs.FileInfo) (uint32, bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}
