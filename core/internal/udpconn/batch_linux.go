package udpconn

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// Four are as good as sixteen: the joining already saves the calls.
	batchSize = 4
	// A shorter buffer would lose whole trains: the kernel joins up to 64 KiB.
	bufferSize = 1 << 16
	// TOS, IP_PKTINFO and IPV6_PKTINFO on a dual-stack wildcard socket take 96
	// bytes, UDP_GRO 24 more.
	oobSize = 256
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// batch is the memory of one recvmmsg. The pointers come first, so that the
// garbage collector need not look at the buffers.
type batch struct {
	hdrs  [batchSize]mmsghdr
	iovs  [batchSize]unix.Iovec
	addr  [batchSize]*sharedAddr
	oobs  [batchSize][oobSize]byte // aligned for unix.Cmsghdr
	names [batchSize]unix.RawSockaddrInet6

	oobLen   [batchSize]int // without the UDP_GRO message
	segment  [batchSize]int // bytes a datagram, except for a shorter last one
	left     [batchSize]int // datagrams not handed out
	at       [batchSize]int // where the next one starts
	received int
	current  int

	bufs [batchSize][bufferSize]byte
}

func newBatch() *batch {
	b := new(batch)
	for i := range b.hdrs {
		b.iovs[i].Base = &b.bufs[i][0]
		b.iovs[i].SetLen(bufferSize)
		h := &b.hdrs[i]
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		h.Control = &b.oobs[i][0]
	}
	return b
}

func (b *batch) recvmmsg(fd uintptr) (int, unix.Errno) {
	for i := range b.hdrs {
		b.hdrs[i].Namelen = uint32(unsafe.Sizeof(b.names[i]))
		b.hdrs[i].SetControllen(oobSize)
		b.hdrs[i].Flags = 0
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.hdrs[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		// A temporary error must not reach quic-go, which would take its
		// last message for a new one.
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// parse finds out what recvmmsg brought and starts handing out.
func (b *batch) parse(addrs *addrCache) (datagrams, joined, dropped int) {
	b.current = 0
	for i := range b.received {
		h := &b.hdrs[i]
		b.at[i], b.left[i] = 0, 0
		size, ok := b.strip(i)
		if h.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || !ok {
			dropped++
			continue
		}
		if b.addr[i], ok = addrs.get(&b.names[i], h.Namelen); !ok {
			dropped++
			continue
		}
		n := int(h.n)
		if size <= 0 || size >= n {
			size = n
		}
		b.segment[i] = size
		b.left[i] = 1
		if size < n {
			b.left[i] = (n + size - 1) / size
			joined += b.left[i]
		}
		datagrams += b.left[i]
	}
	b.skip()
	return datagrams, joined, dropped
}

// strip takes the UDP_GRO message out of the control messages of message i and
// returns the size it holds, or zero if there is none.
func (b *batch) strip(i int) (size int, ok bool) {
	rest := b.oobs[i][:b.hdrs[i].Controllen]
	kept := 0
	for len(rest) >= unix.SizeofCmsghdr {
		hdr, body, next, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return 0, false
		}
		if hdr.Level == unix.IPPROTO_UDP && hdr.Type == unix.UDP_GRO {
			if len(body) < 4 {
				return 0, false
			}
			size = int(int32(binary.NativeEndian.Uint32(body))) // an int, although udp(7) says otherwise
		} else {
			kept += copy(b.oobs[i][kept:], rest[:len(rest)-len(next)])
		}
		rest = next
	}
	b.oobLen[i] = kept
	return size, true
}

// next moves one datagram to m; false if none is left.
func (b *batch) next(m *ipv4.Message) bool {
	if b.empty() {
		return false
	}
	i := b.current
	data := b.bufs[i][b.at[i]:b.hdrs[i].n]
	data = data[:min(len(data), b.segment[i])]
	b.at[i] += len(data)

	m.N, m.NN, m.Flags, m.Addr = 0, 0, 0, b.addr[i].udp
	for _, buf := range m.Buffers {
		m.N += copy(buf, data[m.N:])
	}
	if m.N < len(data) {
		m.Flags |= unix.MSG_TRUNC
	}
	if oob := b.oobs[i][:b.oobLen[i]]; len(oob) <= len(m.OOB) {
		m.NN = copy(m.OOB, oob)
	} else {
		m.Flags |= unix.MSG_CTRUNC
	}
	b.left[i]--
	b.skip()
	return true
}

func (b *batch) skip() {
	for b.current < b.received && b.left[b.current] == 0 {
		b.current++
	}
}

func (b *batch) empty() bool { return b.current >= b.received }
