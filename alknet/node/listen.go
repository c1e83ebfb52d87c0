package node

import (
	"errors"
	"net"
	"slices"

	"github.com/alkdev/alknet/alknet/internal/settings"
)

// errTwoLists: which of the two the owner means cannot be told.
var errTwoLists = errors.New("the service manager has passed sockets, and listen addresses are given as well: leave one out (the addresses, or the socket unit)")

// listen binds the addresses, or takes the sockets that are bound already.
func (n *Node) listen() error {
	if len(n.cfg.Sockets) == 0 {
		return n.endpoint.Listen(n.settings.Listen...)
	}
	if len(n.cfg.Listen) > 0 {
		return errTwoLists
	}
	for len(n.cfg.Sockets) > 0 {
		s := n.cfg.Sockets[0]
		n.cfg.Sockets = n.cfg.Sockets[1:]
		if err := n.endpoint.ListenOn(s.TCP, s.UDP); err != nil {
			return err
		}
	}
	if !slices.Equal(n.settings.Listen, settings.DefaultListen()) && !samePorts(n.settings.Listen, n.endpoint.Addrs()) {
		n.log.Warn("listening on the sockets that the service manager has passed; listen in config.toml differs and has no effect",
			"passed", n.endpoint.Addrs(), "listen", n.settings.Listen)
	}
	return nil
}

func samePorts(a, b []string) bool {
	ports := func(addrs []string) (out []string) {
		for _, addr := range addrs {
			_, port, _ := net.SplitHostPort(addr)
			out = append(out, port)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return slices.Equal(ports(a), ports(b))
}

func (n *Node) closePassed() {
	for _, s := range n.cfg.Sockets {
		s.TCP.Close()
		if s.UDP != nil {
			s.UDP.Close()
		}
	}
	n.cfg.Sockets = nil
}
