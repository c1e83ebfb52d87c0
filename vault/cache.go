package vault

import (
	"container/list"
	"sync"
	"time"
)

const (
	cacheTTL  = time.Hour // counted from derivation, not from the last use
	cacheSize = 64
)

type cacheKey struct {
	kind KeyType
	path string
}

// A cacheEntry is shared by its users; whoever ends its last use wipes it.
type cacheEntry struct {
	key     cacheKey
	private []byte // Ed25519: the 64 bytes of crypto/ed25519; others: 32 bytes
	public  []byte // nil for AES
	born    time.Time
	users   int
	evicted bool
}

// A keyCache is a least-recently-used cache of derived keys. Its zero value is
// ready to use, by several goroutines.
type keyCache struct {
	mu      sync.Mutex
	entries map[cacheKey]*list.Element
	order   list.List // most recently used first
}

// get returns an entry that the caller must put back, or nil.
func (c *keyCache) get(k cacheKey) *cacheEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	el, ok := c.entries[k]
	if !ok {
		return nil
	}
	c.order.MoveToFront(el)
	e := el.Value.(*cacheEntry)
	e.users++
	return e
}

// add stores e, counts its caller as a user, and evicts what is too much.
func (c *keyCache) add(e *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil {
		c.entries = make(map[cacheKey]*list.Element)
	}
	if old, ok := c.entries[e.key]; ok {
		c.evict(old)
	}
	e.born, e.users = time.Now(), 1
	c.entries[e.key] = c.order.PushFront(e)
	for c.order.Len() > cacheSize {
		c.evict(c.order.Back())
	}
}

// put ends one use of e.
func (c *keyCache) put(e *cacheEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.users--
	e.wipeIfUnused()
}

func (c *keyCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.order.Len() > 0 {
		c.evict(c.order.Back())
	}
}

func (c *keyCache) expire() {
	now := time.Now()
	for el := c.order.Front(); el != nil; {
		next := el.Next()
		if now.Sub(el.Value.(*cacheEntry).born) > cacheTTL {
			c.evict(el)
		}
		el = next
	}
}

func (c *keyCache) evict(el *list.Element) {
	e := c.order.Remove(el).(*cacheEntry)
	delete(c.entries, e.key)
	e.evicted = true
	e.wipeIfUnused()
}

func (e *cacheEntry) wipeIfUnused() {
	if e.evicted && e.users == 0 {
		clear(e.private)
	}
}
