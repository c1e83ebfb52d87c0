package udpconn

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// wrap switches UDP_GRO on and splits what arrives joined. A socket that another
// process had before may have it on, and must not without that.
func wrap(s *sender, gro bool) (Conn, *Stats) {
	raw, err := s.SyscallConn()
	if err != nil {
		return s, nil
	}
	var setErr error
	err = raw.Control(func(fd uintptr) {
		setErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, boolInt(gro))
	})
	if err != nil || setErr != nil || !gro {
		return s, nil
	}
	w := &conn{Conn: s, raw: raw}
	return w, &w.stats
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// conn shows the methods of Conn only: the other readers of *net.UDPConn would
// return joined datagrams as one.
type conn struct {
	Conn
	raw   syscall.RawConn
	stats Stats

	mu    sync.Mutex // one reader at a time; protects what follows
	batch *batch     // received and not handed out yet; nil if nothing is left
	addrs addrCache
	pool  sync.Pool // of *batch
}

// ReadBatch fills ms from the datagrams at hand, or waits for some. It is the
// method that quic-go prefers to its own reading. Like recvmmsg it sets N, NN,
// Flags and Addr, and cuts a datagram that is longer than its buffers with
// MSG_TRUNC. The addresses are shared between messages and must not be changed.
func (c *conn) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	if flags != 0 {
		return 0, errors.ErrUnsupported
	}
	if len(ms) == 0 {
		return 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.batch == nil {
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(ms) && c.batch.next(&ms[n]) {
		n++
	}
	if c.batch.empty() {
		c.release()
	}
	return n, nil
}

// receive leaves c.batch nil if everything that came had to be dropped.
func (c *conn) receive() error {
	var sysErr error
	err := c.raw.Read(func(fd uintptr) bool {
		// Taken only while reading, so that an idle socket holds no buffer.
		b, _ := c.pool.Get().(*batch)
		if b == nil {
			b = newBatch()
		}
		n, errno := b.recvmmsg(fd)
		if errno != 0 {
			c.pool.Put(b)
			if errno == unix.EAGAIN {
				return false
			}
			sysErr = errno
			return true
		}
		b.received = n
		c.batch = b
		return true
	})
	if sysErr != nil {
		return &net.OpError{Op: "read", Net: "udp", Source: c.LocalAddr(), Err: os.NewSyscallError("recvmmsg", sysErr)}
	}
	if err != nil {
		return err
	}
	c.count(c.batch.parse(&c.addrs))
	if c.batch.empty() {
		c.release()
	}
	return nil
}

func (c *conn) count(datagrams, joined, dropped int) {
	c.stats.reads.Add(1)
	c.stats.datagrams.Add(uint64(datagrams))
	c.stats.joined.Add(uint64(joined))
	c.stats.dropped.Add(uint64(dropped))
}

func (c *conn) release() {
	c.pool.Put(c.batch)
	c.batch = nil
}

func (c *conn) ReadMsgUDP(b, oob []byte) (n, oobn, flags int, addr *net.UDPAddr, err error) {
	ms := []ipv4.Message{{Buffers: [][]byte{b}, OOB: oob}}
	if _, err := c.ReadBatch(ms, 0); err != nil {
		return 0, 0, 0, nil, err
	}
	m := &ms[0]
	from := *m.Addr.(*net.UDPAddr)
	return m.N, m.NN, m.Flags, &from, nil
}

func (c *conn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, _, addr, err := c.ReadMsgUDP(b, nil)
	if err != nil {
		return 0, nil, err
	}
	return n, addr, nil
}
