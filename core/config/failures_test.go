package config_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/core/config"
)

func TestRemotePrefix(t *testing.T) {
	tests := []struct{ in, want string }{
		{"192.0.2.7", "192.0.2.7/32"},
		{"::ffff:192.0.2.7", "192.0.2.7/32"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::/64"},
		{"::1", "::/64"},
	}
	for _, tt := range tests {
		if got := config.RemotePrefix(netip.MustParseAddr(tt.in)).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
	if got := config.RemotePrefix(netip.Addr{}); got.IsValid() {
		t.Errorf("the zero address gives %v", got)
	}
}

func limits(failures int, window time.Duration) func() config.Limits {
	return func() config.Limits { return config.Limits{AuthFailures: failures, AuthWindow: window} }
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := config.NewFailures(limits(3, time.Minute))
		addr := netip.MustParseAddr("2001:db8::1")
		neighbour := netip.MustParseAddr("2001:db8::2")
		other := netip.MustParseAddr("2001:db8:0:1::1")
		for range 2 {
			f.Fail(addr)
		}
		if d := f.Wait(addr); d != 0 {
			t.Fatalf("waits %v after two failures", d)
		}
		<-time.After(10 * time.Second)
		f.Fail(neighbour)
		if d := f.Wait(addr); d != 50*time.Second {
			t.Errorf("waits %v, want 50s", d)
		}
		if d := f.Wait(other); d != 0 {
			t.Errorf("another network waits %v", d)
		}
		<-time.After(50 * time.Second)
		if d := f.Wait(addr); d != 0 {
			t.Errorf("waits %v after the window", d)
		}
		f.Fail(addr)
		if d := f.Wait(addr); d != 0 {
			t.Errorf("the old failures still count: %v", d)
		}
		f.Fail(addr)
		f.Fail(addr)
		f.Clear(neighbour)
		if d := f.Wait(addr); d != 0 || f.Len() != 0 {
			t.Errorf("after Clear: %v, %d sources", d, f.Len())
		}
	})
}

func TestFailuresFollowsTheLimits(t *testing.T) {
	now := config.Limits{AuthFailures: 2}
	f := config.NewFailures(func() config.Limits { return now })
	addr := netip.MustParseAddr("192.0.2.1")
	f.Fail(addr)
	f.Fail(addr)
	if f.Wait(addr) == 0 {
		t.Error("two failures are free")
	}
	now.AuthFailures = 10
	if d := f.Wait(addr); d != 0 {
		t.Errorf("waits %v under the new limit", d)
	}
}

func TestFailuresMemoryIsBounded(t *testing.T) {
	f := config.NewFailures(limits(20000, time.Hour))
	addr := func(n uint32) netip.Addr {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
	}
	for n := range uint32(20000) {
		f.Fail(addr(n))
		f.Fail(addr(0)) // keeps failing, so it is never the oldest
	}
	if got := f.Len(); got != 8192 {
		t.Errorf("%d sources are remembered", got)
	}
	if f.Wait(addr(0)) == 0 {
		t.Error("a source that keeps failing was forgotten on the way")
	}
}
