package core

import "context"

// A ProtocolHandler serves every connection whose TLS handshake negotiated one
// of its protocol names (RFC 7301). It is the only thing a new service has to
// implement.
//
// One value serves all connections, so Handle is called concurrently. The
// life of one connection is:
//
//  1. The handshake ends; the [Router] looks the negotiated name up and calls
//     Handle on a goroutine of its own.
//  2. Handle owns conn until it returns. Whoever called it touches the
//     connection only to end it.
//  3. ctx ends at the hard stop of the node and at nothing else. A peer that
//     goes away shows as an error of the stream in use and in conn.Context().
//  4. Handle returns. On nil the streams' data is delivered: the connection
//     stays up to two seconds for the peer to close it and is then closed with
//     [CodeNone]. On an error it is closed at once, with the code of a
//     [*HandlerError] if there is one in the chain and with [CodeInternal] if
//     not; the text of other errors stays in the log. The end of this
//     connection counts as nil, since the peer has gone already: a
//     [*CloseError] once conn.Context() has ended, or [ErrConnectionClosed]
//     without one. The end of another connection, which a handler passes data
//     on from, is an error.
//  5. A panic is logged with its stack and ends this connection with
//     [CodeInternal]. Every other connection goes on.
//
// auth is never nil. It may be nobody (a zero Identity): whoever needs more
// says so by returning [ErrAuthRequired], or asks the peer in its own protocol
// and reports the outcome with [AuthContext.Prove].
//
// A handler never branches on the transport. On a connection that has a single
// stream, AcceptStream yields it once and then blocks until it has ended, so
// that one accept loop is right everywhere.
type ProtocolHandler interface {
	// ALPNs lists the protocol names served, at least one. The list is
	// constant for the handler's life.
	ALPNs() []string

	// Handle serves conn and returns when it is done with it.
	Handle(ctx context.Context, conn Connection, auth *AuthContext) error
}

// A Drainer is a [ProtocolHandler] that wants to know when the node is about to
// stop, so that it can tell its peers and take no new work. Drain is called
// once, concurrently with Handle calls that are still running, and returns
// when nothing more is to be waited for on its behalf; ctx ends when the time
// given to draining does.
type Drainer interface {
	Drain(ctx context.Context) error
}

// HandlerFunc makes a ProtocolHandler of a function and one protocol name.
func HandlerFunc(alpn string, handle func(context.Context, Connection, *AuthContext) error) ProtocolHandler {
	return handlerFunc{alpn, handle}
}

type handlerFunc struct {
	alpn   string
	handle func(context.Context, Connection, *AuthContext) error
}

func (h handlerFunc) ALPNs() []string { return []string{h.alpn} }

func (h handlerFunc) Handle(ctx context.Context, conn Connection, auth *AuthContext) error {
	return h.handle(ctx, conn, auth)
}
