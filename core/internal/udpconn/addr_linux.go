package udpconn

import (
	"encoding/binary"
	"net"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sharedAddr is a source address that many messages point to.
type sharedAddr struct {
	name unix.RawSockaddrInet6 // as the kernel wrote it; only the first bytes for IPv4
	udp  *net.UDPAddr
}

// addrCache keeps the last address, since datagrams come in runs, and the names
// of the interfaces of link-local ones.
type addrCache struct {
	last  *sharedAddr
	zones map[uint32]string
	aged  time.Time
}

// zoneAge bounds how long the old name of an interface is used.
const zoneAge = time.Minute

func (c *addrCache) get(name *unix.RawSockaddrInet6, size uint32) (*sharedAddr, bool) {
	var key unix.RawSockaddrInet6
	switch {
	case name.Family == unix.AF_INET && size >= unix.SizeofSockaddrInet4:
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(&key)) = *(*unix.RawSockaddrInet4)(unsafe.Pointer(name))
	case name.Family == unix.AF_INET6 && size >= unix.SizeofSockaddrInet6:
		key = *name
		key.Flowinfo = 0
	default:
		return nil, false
	}
	if c.last == nil || c.last.name != key {
		c.last = &sharedAddr{name: key, udp: c.parse(&key)}
	}
	return c.last, true
}

func (c *addrCache) parse(name *unix.RawSockaddrInet6) *net.UDPAddr {
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return &net.UDPAddr{IP: append(net.IP(nil), v4.Addr[:]...), Port: port(&v4.Port)}
	}
	return &net.UDPAddr{IP: append(net.IP(nil), name.Addr[:]...), Port: port(&name.Port), Zone: c.zone(name.Scope_id)}
}

// port reads a port, which lies in network byte order.
func port(p *uint16) int {
	return int(binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]))
}

func (c *addrCache) zone(scope uint32) string {
	if scope == 0 {
		return ""
	}
	if c.zones == nil || time.Since(c.aged) > zoneAge {
		c.zones, c.aged = make(map[uint32]string), time.Now()
	}
	name, ok := c.zones[scope]
	if !ok {
		name = strconv.FormatUint(uint64(scope), 10)
		if ifi, err := net.InterfaceByIndex(int(scope)); err == nil {
			name = ifi.Name
		}
		c.zones[scope] = name
	}
	return name
}
