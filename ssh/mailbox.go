package ssh

import (
	"context"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

const (
	// mailboxSize bounds what waits in one mailbox, in bytes.
	mailboxSize = 256 << 10
	// stallLimit is how long a full mailbox waits for its reader.
	stallLimit = 10 * time.Second
)

// mailbox passes on what comes from in, in order, and closes its result after
// in is closed and everything was taken, which the reader must do.
//
// x/crypto/ssh reads nothing of a connection, not even its end, while a
// channel of requests is full. Whoever answers requests may have to wait for
// the peer, so a mailbox stands between. If one stays full for stallLimit, or
// is full when ctx ends, it calls cut, which ends the connection without
// waiting, and drops what comes.
func mailbox[T any](ctx context.Context, in <-chan T, size func(T) int, cut func()) <-chan T {
	out := make(chan T)
	go func() {
		defer close(out)
		var queue []T
		held := 0
		for in != nil || len(queue) > 0 {
			if held >= mailboxSize && in != nil {
				if !deliver(ctx, out, queue[0]) {
					cut()
					for range in {
					}
					return
				}
				held -= size(queue[0])
				queue = queue[1:]
				continue
			}
			var first T
			var next chan<- T
			if len(queue) > 0 {
				first, next = queue[0], out
			}
			select {
			case v, ok := <-in:
				if !ok {
					in = nil
					continue
				}
				queue = append(queue, v)
				held += size(v)
			case next <- first:
				held -= size(first)
				queue = queue[1:]
			}
		}
	}()
	return out
}

// deliver reports whether v was taken in time.
func deliver[T any](ctx context.Context, out chan<- T, v T) bool {
	stall := time.NewTimer(stallLimit)
	defer stall.Stop()
	select {
	case out <- v:
		return true
	case <-stall.C:
	case <-ctx.Done():
	}
	return false
}

// The constants are about what the values themselves take.
func requestSize(r *gossh.Request) int   { return 512 + len(r.Type) + len(r.Payload) }
func channelSize(c gossh.NewChannel) int { return 2048 + len(c.ExtraData()) }
