package netlab_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if code, ran := netlab.Rerun(); ran {
		os.Exit(code)
	}
	if os.Getenv(helperVariable) != "" {
		os.Exit(helper())
	}
	goleak.VerifyTestMain(m)
}

// need skips the test without the program, or fails it in CI.
func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("find %s: not installed; run scripts/bootstrap", program)
	}
	t.Skipf("find %s: not installed; run scripts/bootstrap", program)
}

// patience bounds what should take no time, on a machine with other work.
const patience = 20 * time.Second

// flow is a UDP flow from one host to another.
type flow struct {
	t        testing.TB
	from, to *netlab.Host
	out, in  *net.UDPConn
}

func newFlow(t testing.TB, from, to *netlab.Host) *flow {
	t.Helper()
	f := &flow{t: t, from: from, to: to, out: udp(t, from), in: udp(t, to)}
	_ = f.in.SetReadBuffer(4 << 20)
	return f
}

// udp opens an unconnected UDP socket of both families in a host.
func udp(t testing.TB, h *netlab.Host) *net.UDPConn {
	t.Helper()
	c, err := h.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn)
}

// address is where a socket in a host is reached.
func address(h *netlab.Host, c *net.UDPConn) netip.AddrPort {
	a := h.Addr4()
	if !a.IsValid() {
		a = h.Addr6()
	}
	return netip.AddrPortFrom(a, uint16(c.LocalAddr().(*net.UDPAddr).Port))
}

// send sends n packets of size bytes and returns the numbers of those that
// arrived, in their order. It stops to wait when the links have nothing left.
func (f *flow) send(n, size int) []int {
	f.t.Helper()
	const burst = 100 // what the smallest socket buffer has room for
	var got []int
	packet, to := make([]byte, size), address(f.to, f.in)
	before := f.counts()
	for sent := 0; sent < n; {
		for range min(burst, n-sent) {
			binary.BigEndian.PutUint32(packet, uint32(sent))
			if _, err := f.out.WriteToUDPAddrPort(packet, to); err != nil {
				f.t.Fatal(err)
			}
			sent++
		}
		deadline := time.Now().Add(patience)
		for {
			now := f.counts()
			if now.entered-before.entered == sent && now.under == 0 && len(got) == now.left-before.left {
				break
			}
			if time.Now().After(deadline) {
				f.t.Fatalf("%d of %d packets arrived; links: %+v", len(got), sent, now)
			}
			if number, ok := f.receive(); ok {
				got = append(got, number)
			}
		}
	}
	return got
}

type counts struct{ entered, under, left int }

// counts tells how many packets have entered the first link, are under way, and
// have left the second.
func (f *flow) counts() counts {
	out := f.to.Link().Stats().Down.Out
	middle := f.to.Link().Stats().Down.In
	in := f.from.Link().Stats().Up
	return counts{
		entered: int(in.In.Packets),
		under:   int(in.Out.Packets) - int(middle.Packets),
		left:    int(out.Packets),
	}
}

func (f *flow) receive() (number int, ok bool) {
	f.t.Helper()
	var b [4]byte
	if err := f.in.SetReadDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
		f.t.Fatal(err)
	}
	_, _, err := f.in.ReadFromUDPAddrPort(b[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, false
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return int(binary.BigEndian.Uint32(b[:])), true
}
