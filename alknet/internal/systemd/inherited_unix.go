//go:build unix

package systemd

import (
	"fmt"
	"os"
	"syscall"
)

func inherited(count int, names []string) ([]*os.File, error) {
	files := make([]*os.File, 0, count)
	for i := range count {
		fd := firstDescriptor + i
		name := fmt.Sprintf("descriptor %d", fd)
		if i < len(names) && names[i] != "" {
			name += fmt.Sprintf(" (%q)", names[i])
		}
		files = append(files, os.NewFile(uintptr(fd), name))
	}
	return files, nil
}

func listening(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	on := 0
	if cerr := raw.Control(func(fd uintptr) { on, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN) }); cerr != nil {
		return false
	}
	return err == nil && on != 0
}
