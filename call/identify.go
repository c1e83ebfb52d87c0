package call

import (
	"context"
	"fmt"

	"github.com/alkdev/alknet/call/internal/wire"
	"github.com/alkdev/alknet/core"
)

// identify resolves who a request is from. A token that does not resolve makes
// it nobody's: its expiry must not give it the rights of the connection.
func (c *Client) identify(ctx context.Context, req wire.Request) (core.Identity, error) {
	ids := c.server.Identities
	if !req.HasToken {
		id := c.who.Who()
		if ids == nil || id.IsZero() {
			return id, nil
		}
		now, err := ids.Refresh(ctx, id)
		if err != nil {
			return core.Identity{}, nil
		}
		return now, nil
	}
	if ids == nil {
		return core.Identity{}, nil
	}
	addr := addrOf(c.who.RemoteAddr)
	if f := c.server.Failures; f != nil && addr.IsValid() {
		if wait := f.Wait(addr); wait > 0 {
			return core.Identity{}, fmt.Errorf("too many failed tokens: wait %v", wait)
		}
	}
	id, err := ids.ByToken(ctx, req.Token)
	if err != nil {
		if f := c.server.Failures; f != nil && addr.IsValid() {
			f.Fail(addr)
		}
		c.who.LogAttempt(c.server.logger(), "call token", "", err)
		return core.Identity{}, nil
	}
	return id, nil
}

// maxForwarded is the largest claim looked at, in bytes.
const maxForwarded = 4 << 10

func forwardedFor(raw []byte) *ForwardedFor {
	if raw == nil || len(raw) > maxForwarded {
		return nil
	}
	f, err := decode[ForwardedFor](raw)
	if err != nil || f.ID == "" {
		return nil
	}
	return &f
}
