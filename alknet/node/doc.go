// Package node is a whole alknet node as a library: the vault, every handler,
// one port, the local administration, in a program of yours.
//
// A service of your own is a protocol name and a function:
//
//	echo := core.HandlerFunc("example.org/echo", serveEcho)
//	n, err := node.New(ctx, node.Config{Dir: dir, Handlers: []core.ProtocolHandler{echo}})
//	if err != nil {
//		return err
//	}
//	return n.Run(ctx)
//
// Smaller than a protocol of one's own is an operation of alknet/call, which
// Config.Operations adds: a Go function under a name, with schemas.
//
// New opens the data directory, which Init sets up once, and binds the port;
// Run serves until its context ends and then drains. 'alknet serve' is nothing
// more than that, so everything that the program does a library user can do.
//
// # Security posture
//
// An embedded node denies by default like the program: a handler of yours sees
// who proved which key in its core.AuthContext, and decides. The data
// directory is locked while the node is open, and closed to other users.
//
// # Limits
//
// One process opens a data directory at a time. Handlers are fixed from New
// on; peers, tokens, roles, limits and certificate files change while the node
// runs.
package node
