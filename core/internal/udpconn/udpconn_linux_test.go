package udpconn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type batchReader interface {
	ReadBatch([]ipv4.Message, int) (int, error)
}

func listen(t testing.TB, network, addr string) *net.UDPConn {
	t.Helper()
	a, err := net.ResolveUDPAddr(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP(network, a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// wrapped is a wrapped socket that asks for what quic-go asks for.
func wrapped(t testing.TB, network, addr string) (Conn, *Stats) {
	t.Helper()
	c := listen(t, network, addr)
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for _, opt := range [][2]int{
			{unix.IPPROTO_IP, unix.IP_RECVTOS}, {unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS},
			{unix.IPPROTO_IP, unix.IP_PKTINFO}, {unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO},
		} {
			unix.SetsockoptInt(int(fd), opt[0], opt[1], 1)
		}
	})
	w, stats := Wrap(c, true)
	if stats == nil {
		t.Fatal("this kernel has no UDP_GRO: the tests need Linux 5.0")
	}
	return w, stats
}

func cmsg(level, typ int32, body []byte) []byte {
	b := make([]byte, unix.CmsgSpace(len(body)))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, typ
	h.SetLen(unix.CmsgLen(len(body)))
	copy(b[unix.CmsgLen(0):], body)
	return b
}

func segmentSize(n int) []byte {
	return cmsg(unix.IPPROTO_UDP, unix.UDP_SEGMENT, binary.NativeEndian.AppendUint16(nil, uint16(n)))
}

func ecn(v6 bool, bits byte) []byte {
	if v6 {
		return cmsg(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, binary.NativeEndian.AppendUint32(nil, uint32(bits)))
	}
	return cmsg(unix.IPPROTO_IP, unix.IP_TOS, []byte{bits})
}

type datagram struct {
	data []byte
	ecn  byte
	info bool // packet info came with it
	from net.Addr
	msg  ipv4.Message
}

// read takes n datagrams, as quic-go does: eight at a time.
func read(t testing.TB, c Conn, n, size int) []datagram {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second)) // a lost datagram fails the test, not the run
	var got []datagram
	for len(got) < n {
		ms := make([]ipv4.Message, 8)
		for i := range ms {
			ms[i] = ipv4.Message{Buffers: [][]byte{make([]byte, size)}, OOB: make([]byte, 128)}
		}
		k, err := c.(batchReader).ReadBatch(ms, 0)
		if err != nil || k == 0 {
			t.Fatalf("ReadBatch: %d, %v after %d datagrams", k, err, len(got))
		}
		for _, m := range ms[:k] {
			got = append(got, decode(t, m))
		}
	}
	if len(got) > n {
		t.Fatalf("read %d datagrams, want %d", len(got), n)
	}
	return got
}

func decode(t testing.TB, m ipv4.Message) datagram {
	t.Helper()
	d := datagram{data: m.Buffers[0][:m.N], from: m.Addr, msg: m}
	cs, err := unix.ParseSocketControlMessage(m.OOB[:m.NN])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		switch {
		case c.Header.Level == unix.IPPROTO_UDP:
			t.Error("the UDP_GRO message was handed on")
		case c.Header.Level == unix.IPPROTO_IP && c.Header.Type == unix.IP_TOS:
			d.ecn = c.Data[0] & 3
		case c.Header.Level == unix.IPPROTO_IPV6 && c.Header.Type == unix.IPV6_TCLASS:
			d.ecn = byte(binary.NativeEndian.Uint32(c.Data)) & 3
		default:
			d.info = true
		}
	}
	return d
}

func numbered(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + seed)
	}
	return b
}

func TestSplit(t *testing.T) {
	paths := []struct{ name, network, listen, dial string }{
		{"IPv4", "udp4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv6", "udp6", "[::1]:0", "::1"},
		{"wildcard from IPv4", "udp", "[::]:0", "127.0.0.1"},
		{"wildcard from IPv6", "udp", "[::]:0", "::1"},
	}
	trains := []struct {
		name           string
		total, segment int // segment 0: sent as one datagram
	}{
		{"one datagram", 1200, 0},
		{"empty datagram", 0, 0},
		{"exact", 12000, 1200},
		{"short tail", 12001, 1200},
		{"two and tail", 2500, 1200},
		{"tiny segments", 60, 1},
		{"long", 64 * 1000, 1000},
	}
	for _, path := range paths {
		for _, train := range trains {
			for bits := range byte(4) {
				t.Run(fmt.Sprintf("%s/%s/ecn %d", path.name, train.name, bits), func(t *testing.T) {
					conn, stats := wrapped(t, path.network, path.listen)
					to := &net.UDPAddr{IP: net.ParseIP(path.dial), Port: conn.LocalAddr().(*net.UDPAddr).Port}
					from := listen(t, "udp", net.JoinHostPort(path.dial, "0"))
					data := numbered(train.total, int(bits))
					oob := ecn(to.IP.To4() == nil, bits)
					n := 1
					if train.segment > 0 {
						oob = append(oob, segmentSize(train.segment)...)
						n = (train.total + train.segment - 1) / train.segment
					}
					if _, _, err := from.WriteMsgUDP(data, oob, to); err != nil {
						t.Fatal(err)
					}
					got := read(t, conn, n, 1452)
					var all []byte
					for i, d := range got {
						if i < n-1 && len(d.data) != train.segment {
							t.Errorf("datagram %d has %d bytes, want %d", i, len(d.data), train.segment)
						}
						all = append(all, d.data...)
						a := d.from.(*net.UDPAddr)
						if d.ecn != bits || !d.info || !a.IP.Equal(to.IP) || a.Port != from.LocalAddr().(*net.UDPAddr).Port {
							t.Errorf("datagram %d: ecn %d, info %v, from %v", i, d.ecn, d.info, a)
						}
					}
					if !bytes.Equal(all, data) {
						t.Error("data changed")
					}
					if n > 1 && stats.Joined() != uint64(n) || n == 1 && stats.Joined() != 0 {
						t.Errorf("joined %d of %d", stats.Joined(), n)
					}
					if stats.Datagrams() != uint64(n) || stats.Dropped() != 0 || stats.Reads() == 0 {
						t.Errorf("datagrams %d, dropped %d, reads %d", stats.Datagrams(), stats.Dropped(), stats.Reads())
					}
				})
			}
		}
	}
}

// TestMixed sends runs of all kinds from two sockets and expects each socket's
// datagrams in order and unchanged.
func TestMixed(t *testing.T) {
	conn, stats := wrapped(t, "udp4", "127.0.0.1:0")
	r := rand.New(rand.NewPCG(1, 2))
	froms := []*net.UDPConn{listen(t, "udp4", "127.0.0.1:0"), listen(t, "udp4", "127.0.0.1:0")}
	for round := range 100 {
		want := map[string][]datagram{}
		total := 0
		for range 6 {
			from := froms[r.IntN(2)]
			key := from.LocalAddr().String()
			bits := byte(r.IntN(4))
			segment, n := 1+r.IntN(1400), 1+r.IntN(12)
			data := numbered(segment*(n-1)+1+r.IntN(segment), round)
			oob := append(ecn(false, bits), segmentSize(segment)...)
			if r.IntN(4) == 0 {
				data, oob, n, segment = data[:r.IntN(min(2, len(data)))], ecn(false, bits), 1, 1
			}
			if _, _, err := from.WriteMsgUDP(data, oob, conn.LocalAddr().(*net.UDPAddr)); err != nil {
				t.Fatal(err)
			}
			total += n
			for i := range n {
				part := data[i*segment : min(len(data), (i+1)*segment)]
				want[key] = append(want[key], datagram{data: part, ecn: bits})
			}
		}
		for _, d := range read(t, conn, total, 1452) {
			key := d.from.String()
			if len(want[key]) == 0 {
				t.Fatalf("round %d: one datagram too many from %s", round, key)
			}
			w := want[key][0]
			want[key] = want[key][1:]
			if !bytes.Equal(d.data, w.data) || d.ecn != w.ecn {
				t.Fatalf("round %d: got %d bytes ecn %d, want %d bytes ecn %d", round, len(d.data), d.ecn, len(w.data), w.ecn)
			}
		}
	}
	if stats.Joined() == 0 {
		t.Error("nothing was joined")
	}
}

func TestShortBuffers(t *testing.T) {
	conn, _ := wrapped(t, "udp4", "127.0.0.1:0")
	from := listen(t, "udp4", "127.0.0.1:0")
	data := numbered(1000, 0)
	if _, _, err := from.WriteMsgUDP(data, segmentSize(500), conn.LocalAddr().(*net.UDPAddr)); err != nil {
		t.Fatal(err)
	}
	ms := []ipv4.Message{{Buffers: [][]byte{make([]byte, 60), make([]byte, 40)}, OOB: make([]byte, 8)}}
	for i := range 2 {
		if n, err := conn.(batchReader).ReadBatch(ms, 0); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		m := ms[0]
		got := slices.Concat(m.Buffers...)
		if m.N != 100 || m.NN != 0 || m.Flags != unix.MSG_TRUNC|unix.MSG_CTRUNC || !bytes.Equal(got, data[500*i:500*i+100]) {
			t.Errorf("segment %d: N %d, NN %d, flags %#x", i, m.N, m.NN, m.Flags)
		}
	}
}

func TestSingleReads(t *testing.T) {
	conn, _ := wrapped(t, "udp4", "127.0.0.1:0")
	from := listen(t, "udp4", "127.0.0.1:0")
	data := numbered(1100, 0)
	if _, _, err := from.WriteMsgUDP(data, segmentSize(500), conn.LocalAddr().(*net.UDPAddr)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	n, addr, err := conn.ReadFrom(b)
	if err != nil || !bytes.Equal(b[:n], data[:500]) || addr.String() != from.LocalAddr().String() {
		t.Fatal(n, addr, err)
	}
	n, _, _, udp, err := conn.ReadMsgUDP(b, nil)
	if err != nil || !bytes.Equal(b[:n], data[500:1000]) || udp.String() != from.LocalAddr().String() {
		t.Fatal(n, udp, err)
	}
	if n, _, err := conn.ReadFrom(b); err != nil || n != 100 {
		t.Fatal(n, err)
	}
	if n, err := conn.(batchReader).ReadBatch(nil, 0); n != 0 || err != nil {
		t.Error(n, err)
	}
	if _, err := conn.(batchReader).ReadBatch(make([]ipv4.Message, 1), unix.MSG_PEEK); !errors.Is(err, errors.ErrUnsupported) {
		t.Error("flags:", err)
	}
}

func TestDeadlineAndClose(t *testing.T) {
	conn, _ := wrapped(t, "udp4", "127.0.0.1:0")
	conn.SetReadDeadline(time.Now())
	if _, _, err := conn.ReadFrom(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	conn.SetReadDeadline(time.Time{})
	failed := make(chan error)
	go func() {
		_, _, err := conn.ReadFrom(make([]byte, 1))
		failed <- err
	}()
	waitBlocked(t, 1)
	conn.Close()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// waitBlocked waits until n goroutines of this package wait for a socket.
func waitBlocked(t *testing.T, n int) {
	t.Helper()
	buf := make([]byte, 4<<20)
	for range 1_000_000 {
		dump := string(buf[:runtime.Stack(buf, true)])
		blocked := 0
		for g := range strings.SplitSeq(dump, "\n\n") {
			if strings.Contains(g, "[IO wait") && strings.Contains(g, "udpconn.(*conn).receive") {
				blocked++
			}
		}
		if blocked >= n {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("the readers never blocked")
}

func TestIdleHoldsNoBuffer(t *testing.T) {
	const sockets = 32
	heap := func() int64 {
		runtime.GC() // twice: a sync.Pool survives one
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	done := make(chan struct{})
	conns := make([]Conn, sockets)
	for i := range conns {
		conns[i], _ = wrapped(t, "udp4", "127.0.0.1:0")
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				if _, _, err := conns[i].ReadFrom(make([]byte, 1)); err != nil {
					return
				}
			}
		}()
	}
	waitBlocked(t, sockets)
	if grown := heap() - before; grown > sockets*bufferSize/2 {
		t.Errorf("%d idle sockets hold %d bytes", sockets, grown)
	}
	for _, c := range conns {
		c.Close()
		<-done
	}
}

func TestWithoutBatches(t *testing.T) {
	c := listen(t, "udp4", "127.0.0.1:0")
	w, stats := Wrap(c, false)
	if _, batches := w.(batchReader); batches || stats != nil || stats.Joined()+stats.Datagrams()+stats.Reads()+stats.Dropped() != 0 {
		t.Error("switched off, but reads batches")
	}
	c.Close()
	w, stats = Wrap(c, true)
	if _, batches := w.(batchReader); batches || stats != nil {
		t.Error("setsockopt failed, but reads batches")
	}
}

func TestDamagedReceptionIsDropped(t *testing.T) {
	b := newBatch()
	fill := func(i int, flags int32, family uint16) {
		b.hdrs[i].n = 100
		b.hdrs[i].Flags = flags
		b.hdrs[i].SetControllen(copy(b.oobs[i][:], cmsg(unix.IPPROTO_UDP, unix.UDP_GRO, binary.NativeEndian.AppendUint32(nil, 40))))
		b.hdrs[i].Namelen = unix.SizeofSockaddrInet4
		b.names[i].Family = family
	}
	fill(0, unix.MSG_TRUNC, unix.AF_INET)
	fill(1, unix.MSG_CTRUNC, unix.AF_INET)
	fill(2, 0, unix.AF_UNIX)
	fill(3, 0, unix.AF_INET)
	b.received = 4
	if datagrams, joined, dropped := b.parse(new(addrCache)); datagrams != 3 || joined != 3 || dropped != 3 {
		t.Error(datagrams, joined, dropped)
	}
	m := ipv4.Message{Buffers: [][]byte{make([]byte, 100)}}
	for _, want := range []int{40, 40, 20} {
		if !b.next(&m) || m.N != want {
			t.Error(m.N, want)
		}
	}
	if b.next(&m) || !b.empty() {
		t.Error("one datagram too many")
	}
}

func TestZone(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	name := unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: [16]byte{0xfe, 0x80, 15: 1}}
	for _, tt := range []struct {
		name  string
		scope uint32
		want  string
	}{
		{"none", 0, "[fe80::1]:0"},
		{"interface", uint32(lo.Index), "[fe80::1%lo]:0"},
		{"interface gone", 1 << 30, "[fe80::1%1073741824]:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c addrCache
			name.Scope_id = tt.scope
			a, ok := c.get(&name, unix.SizeofSockaddrInet6)
			if !ok || a.udp.String() != tt.want {
				t.Errorf("got %v, want %s", a.udp, tt.want)
			}
			name.Flowinfo = 7
			if b, _ := c.get(&name, unix.SizeofSockaddrInet6); b != a {
				t.Error("the same address twice is two values")
			}
		})
	}
}

// TestInheritedGRO: a socket that came from another process may have it on.
func TestInheritedGRO(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, gro := range []bool{true, false} {
		Wrap(c, gro)
		on := -1
		raw.Control(func(fd uintptr) { on, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO) })
		if err != nil {
			t.Skip("no UDP_GRO here")
		}
		if (on == 1) != gro {
			t.Errorf("UDP_GRO is %d after Wrap(%t)", on, gro)
		}
	}
}
