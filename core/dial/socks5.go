package dial

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// RFC 1928, sections 3 to 7, and RFC 1929, section 2.
const (
	socksVersion     = 5
	socksAuthVersion = 1

	methodNone     = 0x00
	methodPassword = 0x02
	methodRefused  = 0xff

	cmdConnect   = 1
	cmdAssociate = 3

	atypIPv4 = 1
	atypName = 3
	atypIPv6 = 4

	maxSocksAddr = 1 + 1 + 255 + 2
)

var (
	errSocksVersion = errors.New("the answer is not of SOCKS version 5")
	errSocksMethod  = errors.New("the proxy chose a method that was not offered")
	errSocksAuth    = errors.New("the proxy wants a user name and password, or does not accept those given")
	errSocksAddr    = errors.New("the answer holds an address of unknown type")
)

// hostPort is an address whose host may be a name.
type hostPort struct {
	host string
	port uint16
}

// appendSocksAddr writes ATYP, address and port: section 5.
func appendSocksAddr(b []byte, a hostPort) ([]byte, error) {
	if ip, err := netip.ParseAddr(a.host); err == nil {
		if ip.Zone() != "" {
			return nil, errors.New("an address with a zone means nothing to a proxy")
		}
		if ip = ip.Unmap(); ip.Is4() {
			b = append(b, atypIPv4)
		} else {
			b = append(b, atypIPv6)
		}
		b = append(b, ip.AsSlice()...)
	} else {
		if a.host == "" || len(a.host) > 255 {
			return nil, fmt.Errorf("a name of %d bytes does not fit", len(a.host))
		}
		b = append(b, atypName, byte(len(a.host)))
		b = append(b, a.host...)
	}
	return binary.BigEndian.AppendUint16(b, a.port), nil
}

// readSocksAddr reads what appendSocksAddr writes, and not a byte more.
func readSocksAddr(r io.Reader) (hostPort, error) {
	var buf [maxSocksAddr]byte
	if _, err := io.ReadFull(r, buf[:1]); err != nil {
		return hostPort{}, err
	}
	n := 0
	switch buf[0] {
	case atypIPv4:
		n = 4
	case atypIPv6:
		n = 16
	case atypName:
		if _, err := io.ReadFull(r, buf[:1]); err != nil {
			return hostPort{}, noEOF(err)
		}
		if n = int(buf[0]); n == 0 {
			return hostPort{}, errSocksAddr
		}
		if _, err := io.ReadFull(r, buf[:n+2]); err != nil {
			return hostPort{}, noEOF(err)
		}
		return hostPort{string(buf[:n]), binary.BigEndian.Uint16(buf[n:])}, nil
	default:
		return hostPort{}, errSocksAddr
	}
	if _, err := io.ReadFull(r, buf[:n+2]); err != nil {
		return hostPort{}, noEOF(err)
	}
	ip, _ := netip.AddrFromSlice(buf[:n])
	return hostPort{ip.Unmap().String(), binary.BigEndian.Uint16(buf[n:])}, nil
}

// negotiate is sections 3 of RFC 1928 and 2 of RFC 1929.
func negotiate(rw io.ReadWriter, p *Proxy) error {
	hello := []byte{socksVersion, 1, methodNone}
	if p.Username != "" {
		hello = []byte{socksVersion, 2, methodNone, methodPassword}
	}
	if _, err := rw.Write(hello); err != nil {
		return err
	}
	var answer [2]byte
	if _, err := io.ReadFull(rw, answer[:]); err != nil {
		return noEOF(err)
	}
	switch {
	case answer[0] != socksVersion:
		return errSocksVersion
	case answer[1] == methodNone:
		return nil
	case answer[1] == methodRefused:
		return errSocksAuth
	case answer[1] != methodPassword || p.Username == "":
		return errSocksMethod
	}
	login := []byte{socksAuthVersion, byte(len(p.Username))}
	login = append(login, p.Username...)
	login = append(login, byte(len(p.Password)))
	login = append(login, p.Password...)
	if _, err := rw.Write(login); err != nil {
		return err
	}
	if _, err := io.ReadFull(rw, answer[:]); err != nil {
		return noEOF(err)
	}
	if answer[0] != socksAuthVersion || answer[1] != 0 {
		return errSocksAuth
	}
	return nil
}

// request is sections 4 and 6. It returns BND.ADDR and BND.PORT.
func request(rw io.ReadWriter, cmd byte, a hostPort) (hostPort, error) {
	msg, err := appendSocksAddr([]byte{socksVersion, cmd, 0}, a)
	if err != nil {
		return hostPort{}, err
	}
	if _, err := rw.Write(msg); err != nil {
		return hostPort{}, err
	}
	return readReply(rw)
}

func readReply(r io.Reader) (hostPort, error) {
	var head [3]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return hostPort{}, noEOF(err)
	}
	if head[0] != socksVersion {
		return hostPort{}, errSocksVersion
	}
	if head[1] != 0 {
		return hostPort{}, socksReply(head[1])
	}
	bound, err := readSocksAddr(r)
	return bound, noEOF(err)
}

// noEOF: inside a message, the end of the stream is not one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// socksReply is a REP other than "succeeded": section 6.
type socksReply byte

func (r socksReply) Error() string {
	texts := [...]string{1: "general failure", 2: "not allowed by the proxy's rules", 3: "network unreachable",
		4: "host unreachable", 5: "connection refused", 6: "time to live expired", 7: "command not supported", 8: "address type not supported"}
	if int(r) < len(texts) && texts[r] != "" {
		return texts[r]
	}
	return fmt.Sprintf("unknown reply %#x", byte(r))
}

// parseDatagram returns the payload of a UDP request (section 7), or false for
// one that is damaged or a fragment.
func parseDatagram(b []byte) ([]byte, bool) {
	if len(b) < 5 || b[0] != 0 || b[1] != 0 || b[2] != 0 {
		return nil, false
	}
	n := 4
	switch b[3] {
	case atypIPv4:
		n += 4
	case atypIPv6:
		n += 16
	case atypName:
		n += 1 + int(b[4])
	default:
		return nil, false
	}
	if n += 2; len(b) < n {
		return nil, false
	}
	return b[n:], true
}
