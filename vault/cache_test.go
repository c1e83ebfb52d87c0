package vault

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/vault/internal/hd"
)

const words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

func opened(t *testing.T) *Vault {
	t.Helper()
	v := New()
	if err := v.Unlock(words, ""); err != nil {
		t.Fatal(err)
	}
	return v
}

// cached returns the entry of a path, as it is in the cache afterwards.
func cached(t *testing.T, v *Vault, index uint32) *cacheEntry {
	t.Helper()
	var entry *cacheEntry
	err := v.with(Ed25519, hd.Path{index | hd.Hardened}, func(e *cacheEntry) error {
		entry = e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

func wiped(e *cacheEntry) bool { return bytes.Equal(e.private, make([]byte, len(e.private))) }

func TestCacheExpiresAnHourAfterDerivation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := opened(t)
		first := cached(t, v, 1)
		time.Sleep(cacheTTL) // of the bubble's clock
		if cached(t, v, 1) != first {
			t.Fatal("the entry is gone before its time")
		}
		time.Sleep(time.Nanosecond)
		if wiped(first) {
			t.Fatal("wiped although nobody looked")
		}
		second := cached(t, v, 2)
		if !wiped(first) {
			t.Error("an expired key stays in memory when another is used")
		}
		if cached(t, v, 1) == first || wiped(second) {
			t.Error("expiry hit the wrong entry")
		}
	})
}

func TestCacheKeepsTheLatestUsed(t *testing.T) {
	v := opened(t)
	entries := make([]*cacheEntry, cacheSize)
	for i := range entries {
		entries[i] = cached(t, v, uint32(i))
	}
	cached(t, v, 0)
	cached(t, v, cacheSize)
	if wiped(entries[0]) {
		t.Error("the entry used last was evicted")
	}
	if !wiped(entries[1]) {
		t.Error("the entry unused for longest was kept, or not wiped")
	}
	if n := v.cache.order.Len(); n != cacheSize || len(v.cache.entries) != cacheSize {
		t.Errorf("%d entries, want %d", n, cacheSize)
	}
}

func TestLockWipes(t *testing.T) {
	v := opened(t)
	held, entry := v.held, cached(t, v, 1)
	seed, phrase := held.seed, held.phrase
	v.Lock()
	if !wiped(entry) {
		t.Error("a cached key survives Lock")
	}
	if !bytes.Equal(seed, make([]byte, len(seed))) || !bytes.Equal(phrase, make([]byte, len(phrase))) {
		t.Error("the secret survives Lock")
	}
	if len(v.cache.entries) != 0 {
		t.Error("the cache survives Lock")
	}
}

func TestKeyInUseIsWipedAfterUse(t *testing.T) {
	v := opened(t)
	var entry *cacheEntry
	err := v.with(Ed25519, hd.Path{hd.Hardened}, func(e *cacheEntry) error {
		entry = e
		v.Lock()
		if wiped(e) {
			return fmt.Errorf("wiped under its user")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if !wiped(entry) {
		t.Error("not wiped after its last use")
	}
}

func TestPanicDoesNotBrickTheVault(t *testing.T) {
	v := opened(t)
	var entry *cacheEntry
	func() {
		defer func() { _ = recover() }()
		_ = v.with(Ed25519, hd.Path{hd.Hardened}, func(e *cacheEntry) error {
			entry = e
			panic("in the middle of a signature")
		})
	}()
	if cached(t, v, 1) == nil || entry.users != 0 {
		t.Error("the panic left a lock or a use behind")
	}
	v.Lock()
	if !wiped(entry) {
		t.Error("the key of the panic is never wiped")
	}
	if err := v.Unlock(words, ""); err != nil {
		t.Error(err)
	}
}
