package call

import (
	"time"

	"github.com/alkdev/alknet/call/internal/wire"
)

// Limits bound what one connection and one identity may ask for. Zero fields
// take the defaults.
type Limits struct {
	// FrameBytes is the largest envelope taken, at most and by default 64 MiB.
	FrameBytes int
	// InFlight is how many calls and subscriptions of the other end may be
	// unfinished on one connection; by default 1024. Further ones fail with a
	// retryable INTERNAL.
	InFlight int
	// InFlightIdentity is the same over all connections of one identity of a
	// [Server]; by default 16384. Callers who are nobody share one count.
	InFlightIdentity int
	// Timeout is how long a query or mutation may take, by default 30 s. The
	// caller's own deadline is not known here, so it ends by its abort.
	Timeout time.Duration
	// SubscriptionBytes is how much of one subscription waits for a consumer
	// here where it shares its stream with others; by default 4 MiB. Beyond
	// it the subscription fails. Peers that take part in flow control never
	// reach it (docs/wire/call.md, section 6).
	SubscriptionBytes int
}

// holdLimit is how many bytes of frames that are not complete the other end may
// have on all streams together; strangers half of what others may.
func (c *Client) holdLimit() int64 {
	if c.who.Who().IsZero() {
		return int64(c.limits.FrameBytes)
	}
	return 2 * int64(c.limits.FrameBytes)
}

func (l Limits) withDefaults() Limits {
	if l.FrameBytes <= 0 || l.FrameBytes > wire.MaxFrame {
		l.FrameBytes = wire.MaxFrame
	}
	if l.InFlight <= 0 {
		l.InFlight = 1024
	}
	if l.InFlightIdentity <= 0 {
		l.InFlightIdentity = 16384
	}
	if l.Timeout <= 0 {
		l.Timeout = 30 * time.Second
	}
	if l.SubscriptionBytes <= 0 {
		l.SubscriptionBytes = 4 << 20
	}
	return l
}

// window is how much of a subscription may be on its way on a shared stream.
func (l Limits) window() int { return l.SubscriptionBytes / 4 }
