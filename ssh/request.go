package ssh

import (
	"errors"
	"math"
	"strings"

	gossh "golang.org/x/crypto/ssh"
)

// Bounds of what a client may send in one request. A packet has at most
// 256 KiB (x/crypto/ssh), so decoding one never takes more memory than that.
const (
	maxCommand  = 128<<10 - 1 // the longest argument that Linux passes on
	maxEnvName  = 128
	maxEnvValue = 4096
	maxEnvCount = 64
	maxTerm     = 128
	maxModes    = 1024
)

var errMalformed = errors.New("malformed request")

// windowSize is a terminal's, in characters and pixels (RFC 4254, section 6.7).
type windowSize struct {
	Columns, Rows, Width, Height uint16
}

// terminalMode is one encoded terminal mode (RFC 4254, section 8).
type terminalMode struct {
	Opcode uint8
	Value  uint32
}

// terminalRequest is a decoded pty-req (RFC 4254, section 6.2).
type terminalRequest struct {
	Term  string
	Size  windowSize
	Modes []terminalMode
}

func parseTerminalRequest(payload []byte) (*terminalRequest, error) {
	var m struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}
	if err := gossh.Unmarshal(payload, &m); err != nil {
		return nil, errMalformed
	}
	if len(m.Term) > maxTerm || len(m.Modes) > maxModes || strings.ContainsFunc(m.Term, unprintable) {
		return nil, errMalformed
	}
	modes, err := parseTerminalModes([]byte(m.Modes))
	if err != nil {
		return nil, err
	}
	return &terminalRequest{Term: m.Term, Size: newWindowSize(m.Columns, m.Rows, m.Width, m.Height), Modes: modes}, nil
}

// parseTerminalModes stops at TTY_OP_END and, as RFC 4254, section 8 asks, at
// the first opcode of 160 and above.
func parseTerminalModes(b []byte) ([]terminalMode, error) {
	var modes []terminalMode
	for len(b) > 0 && b[0] != 0 && b[0] < 160 {
		if len(b) < 5 {
			return nil, errMalformed
		}
		value := uint32(b[1])<<24 | uint32(b[2])<<16 | uint32(b[3])<<8 | uint32(b[4])
		modes = append(modes, terminalMode{Opcode: b[0], Value: value})
		b = b[5:]
	}
	return modes, nil
}

func parseWindowChange(payload []byte) (windowSize, error) {
	var m struct{ Columns, Rows, Width, Height uint32 }
	if err := gossh.Unmarshal(payload, &m); err != nil {
		return windowSize{}, errMalformed
	}
	return newWindowSize(m.Columns, m.Rows, m.Width, m.Height), nil
}

func newWindowSize(columns, rows, width, height uint32) windowSize {
	clamp := func(n uint32) uint16 { return uint16(min(n, math.MaxUint16)) }
	return windowSize{clamp(columns), clamp(rows), clamp(width), clamp(height)}
}

func parseEnv(payload []byte) (name, value string, err error) {
	var m struct{ Name, Value string }
	if err := gossh.Unmarshal(payload, &m); err != nil {
		return "", "", errMalformed
	}
	if m.Name == "" || len(m.Name) > maxEnvName || len(m.Value) > maxEnvValue ||
		strings.ContainsAny(m.Name, "=\x00") || strings.Contains(m.Value, "\x00") {
		return "", "", errMalformed
	}
	return m.Name, m.Value, nil
}

// parseCommand decodes exec; parseName decodes subsystem and signal.
func parseCommand(payload []byte) (string, error) { return parseString(payload, maxCommand) }
func parseName(payload []byte) (string, error)    { return parseString(payload, 64) }

func parseString(payload []byte, limit int) (string, error) {
	var m struct{ Text string }
	if err := gossh.Unmarshal(payload, &m); err != nil {
		return "", errMalformed
	}
	if len(m.Text) > limit || strings.Contains(m.Text, "\x00") {
		return "", errMalformed
	}
	return m.Text, nil
}

func unprintable(r rune) bool { return r <= ' ' || r >= 0x7f }
