//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package ssh

import (
	"os"

	"golang.org/x/sys/unix"
)

// Opcodes of RFC 4254, section 8, with what POSIX calls them. Speeds mean
// nothing on a pseudo-terminal.
var (
	modeChars = map[uint8]int{
		1: unix.VINTR, 2: unix.VQUIT, 3: unix.VERASE, 4: unix.VKILL, 5: unix.VEOF, 6: unix.VEOL, 7: unix.VEOL2,
		8: unix.VSTART, 9: unix.VSTOP, 10: unix.VSUSP, 12: unix.VREPRINT, 13: unix.VWERASE, 14: unix.VLNEXT,
		18: unix.VDISCARD,
	}
	modeInput = map[uint8]flag{
		30: unix.IGNPAR, 31: unix.PARMRK, 32: unix.INPCK, 33: unix.ISTRIP, 34: unix.INLCR, 35: unix.IGNCR,
		36: unix.ICRNL, 38: unix.IXON, 39: unix.IXANY, 40: unix.IXOFF, 41: unix.IMAXBEL,
	}
	modeLocal = map[uint8]flag{
		50: unix.ISIG, 51: unix.ICANON, 53: unix.ECHO, 54: unix.ECHOE, 55: unix.ECHOK, 56: unix.ECHONL,
		57: unix.NOFLSH, 58: unix.TOSTOP, 59: unix.IEXTEN, 60: unix.ECHOCTL, 61: unix.ECHOKE, 62: unix.PENDIN,
	}
	modeOutput  = map[uint8]flag{70: unix.OPOST, 72: unix.ONLCR, 73: unix.OCRNL, 74: unix.ONOCR, 75: unix.ONLRET}
	modeControl = map[uint8]flag{92: unix.PARENB, 93: unix.PARODD}
)

// setTerminalModes applies what this system knows of modes and leaves the
// rest as it is.
func setTerminalModes(tty *os.File, modes []terminalMode) {
	raw, err := tty.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		t, err := unix.IoctlGetTermios(int(fd), getTermios)
		if err != nil {
			return
		}
		for _, m := range modes {
			applyMode(t, m)
		}
		unix.IoctlSetTermios(int(fd), setTermios, t)
	})
}

func applyMode(t *unix.Termios, m terminalMode) {
	if i, ok := modeChars[m.Opcode]; ok {
		if m.Value <= 255 { // 255 is "disabled" on the wire
			t.Cc[i] = disabledChar(uint8(m.Value))
		}
		return
	}
	for _, group := range []struct {
		bits  map[uint8]flag
		field *flag
	}{{modeInput, &t.Iflag}, {modeLocal, &t.Lflag}, {modeOutput, &t.Oflag}, {modeControl, &t.Cflag}} {
		if bit, ok := group.bits[m.Opcode]; ok {
			setFlag(group.field, bit, m.Value != 0)
			return
		}
	}
	switch m.Opcode {
	case 42:
		setFlag(&t.Iflag, unixIUTF8, m.Value != 0)
	case 90, 91:
		if m.Value != 0 {
			t.Cflag = t.Cflag&^unix.CSIZE | map[uint8]flag{90: unix.CS7, 91: unix.CS8}[m.Opcode]
		}
	}
}

func setFlag(field *flag, bit flag, on bool) {
	if on {
		*field |= bit
	} else {
		*field &^= bit
	}
}
