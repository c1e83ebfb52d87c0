package nat_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/alkdev/alknet/scripts/netlab/nat"
)

// FuzzNAT sends any bytes in both directions. What passes keeps its length; if
// its checksums were right they still are; its answer comes back to the sender.
func FuzzNAT(f *testing.F) {
	for _, p := range [][]byte{
		udpPacket(alice, server, "x"),
		tcpPacket(alice, server, syn, ""),
		echo(echoRequest, alice, server, 7),
		icmpError(unreachable, alice.Addr(), server.Addr(), udpPacket(server, alice, "x")),
		icmpError(timeExceeded, router, outside, tcpPacket(netip.AddrPortFrom(outside, 1024), server, ack, "x")[:28]),
	} {
		f.Add(uint8(nat.PortRestricted), true, p)
	}
	f.Fuzz(func(t *testing.T, kind uint8, fix bool, packet []byte) {
		n := newNAT(t, nat.Config{Kind: nat.Kind(kind % 4), Hairpin: kind&4 != 0, MaxMappings: 4})
		fix = fix && canRepair(packet)
		if fix {
			repair(packet)
		}
		inbound := slices.Clone(packet)
		out := slices.Clone(packet)
		hairpin, err := n.Outbound(0, out)
		same(t, packet, out, fix && err == nil)
		if err == nil && !hairpin && packet[9] != icmp {
			answer := reversed(out)
			wasValid := canRepair(answer) && valid(answer)
			if err := n.Inbound(0, answer); err != nil {
				t.Fatalf("the answer is refused: %v", err)
			}
			if to(answer) != from(packet) {
				t.Fatalf("sent from %v, the answer goes to %v", from(packet), to(answer))
			}
			same(t, out, answer, wasValid)
		}
		err = n.Inbound(0, inbound)
		same(t, packet, inbound, fix && err == nil)
		if st := n.Stats(); st.Outbound+st.Inbound+st.Hairpinned+sum(st.Refused[:]) < 2 {
			t.Fatalf("not counted: %+v", st)
		}
	})
}

// FuzzQuoted puts any bytes into ICMP errors about flows that the NAT knows.
func FuzzQuoted(f *testing.F) {
	f.Add(uint8(0), uint8(unreachable), udpPacket(alice, server, "x"))
	f.Add(uint8(3), uint8(timeExceeded), tcpPacket(alice, server, ack, "data")[:28])
	f.Add(uint8(1), uint8(timeExceeded), echo(echoRequest, alice, server, 7))
	f.Fuzz(func(t *testing.T, kind, errorType uint8, quoted []byte) {
		if len(quoted) > 65000 {
			return
		}
		n := newNAT(t, nat.Config{Kind: nat.Kind(kind % 4)})
		sent := slices.Clone(quoted)
		if _, err := n.Outbound(0, sent); err != nil {
			return
		}
		p := icmpError(errorType, router, outside, sent)
		before := slices.Clone(p)
		err := n.Inbound(0, p)
		same(t, before, p, err == nil)
		header := 4 * int(quoted[0]&15)
		if err == nil && check(quoted[:header]) == 0 && quoted[10]|quoted[11] != 0 && !bytes.Equal(p[28:][:header], quoted[:header]) {
			t.Fatalf("quotes  %x\nsent was %x", p[28:][:header], quoted[:header])
		}
	})
}

func same(t *testing.T, before, after []byte, checkValid bool) {
	t.Helper()
	if len(before) != len(after) {
		t.Fatalf("%d bytes became %d", len(before), len(after))
	}
	if checkValid && !valid(after) {
		t.Fatalf("checksums are wrong:\nbefore %x\nafter  %x", before, after)
	}
}

// canRepair reports whether p is whole enough for repair and valid.
func canRepair(p []byte) bool {
	if len(p) < 20 || p[0]>>4 != 4 {
		return false
	}
	size, total := 4*int(p[0]&15), int(binary.BigEndian.Uint16(p[2:]))
	least := map[byte]int{icmp: 8, udp: 8, tcp: 20}[p[9]]
	return size >= 20 && least > 0 && total >= size+least && total <= len(p)
}

// reversed swaps the two ends, which keeps all checksums.
func reversed(p []byte) []byte {
	r := slices.Clone(p)
	copy(r[12:16], p[16:20])
	copy(r[16:20], p[12:16])
	size := 4 * int(p[0]&15)
	copy(r[size:], p[size+2:size+4])
	copy(r[size+2:], p[size:size+2])
	return r
}

func sum(v []uint64) (s uint64) {
	for _, n := range v {
		s += n
	}
	return s
}
