//go:build unix && !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package ssh

import "os"

func setTerminalModes(*os.File, []terminalMode) {}
