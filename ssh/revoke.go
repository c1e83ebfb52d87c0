package ssh

import (
	"context"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// outerInterval is how often a connection whose TLS handshake proved a listed
// peer is checked for that peer's removal.
const outerInterval = 10 * time.Second

// watchOuter returns when ctx ends or the peer that TLS proved is gone. Who
// accepted the connection watches one identity of it, which Prove makes that
// of an SSH key.
func (s *Server) watchOuter(ctx context.Context, who *core.AuthContext, conn core.Connection) {
	tick := time.NewTicker(outerInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if s.checkOuter(ctx, who, conn) != nil && ctx.Err() == nil {
			return
		}
	}
}

// checkOuter closes the connection if the peer that TLS proved is gone.
func (s *Server) checkOuter(ctx context.Context, who *core.AuthContext, conn core.Connection) error {
	if who.Identity.IsZero() {
		return nil
	}
	_, err := s.Identities.Refresh(ctx, who.Identity)
	if err != nil && ctx.Err() == nil {
		s.log("connection revoked", "remote_addr", addr(who.RemoteAddr), "peer", who.Identity.Name, "reason", err.Error())
		conn.Close(core.CodeRevoked, "access was revoked")
	}
	return err
}

// now returns the identity with its present rights.
func (l *login) now(ctx context.Context) (auth.Identity, error) {
	if err := l.server.checkOuter(ctx, l.who, l.transport); err != nil {
		return auth.Identity{}, err
	}
	return l.server.Identities.Refresh(ctx, l.identity)
}
