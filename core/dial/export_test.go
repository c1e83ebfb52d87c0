package dial

import "testing"

// OnStart has f told of every attempt, in order.
func (d *Dialer) OnStart(f func(t Transport, addr string)) {
	d.started = func(c candidate) { f(c.transport, c.String()) }
}

// HoldLock takes the lock of k.
func HoldLock(t testing.TB, k *KnownNodes) (release func()) {
	release, err := k.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return release
}
