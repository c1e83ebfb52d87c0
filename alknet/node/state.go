package node

import "context"

// notify tells Config.Notify and reports whether it did: a reload is nobody's
// concern before the first Ready, and nothing follows Stopping.
func (n *Node) notify(s State) bool {
	n.notifying.Lock()
	defer n.notifying.Unlock()
	if n.cfg.Notify == nil || n.told == Stopping || s == Reloading && n.told != Ready {
		return false
	}
	if s != Reloading {
		n.told = s
	}
	n.cfg.Notify(s)
	return true
}

// Alive returns nil once Run's loop has looked at every connection and at the
// configuration, so that none of the locks around them is stuck, and the error
// of ctx if that takes too long. It also returns nil when the node stops, which
// has a time limit of its own.
func (n *Node) Alive(ctx context.Context) error {
	looked := make(chan struct{})
	look := func() {
		n.status(false)
		close(looked)
	}
	select {
	case n.pulse <- look:
	case <-n.stop.raised:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-looked:
		return nil
	case <-n.stop.raised:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
