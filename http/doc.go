// Package alkhttp is the web face of a node: one [http.Handler] behind HTTP/1.1
// (RFC 9112), HTTP/2 (RFC 9113) and HTTP/3 (RFC 9114), for stock browsers and
// tools.
//
//	web := &alkhttp.Server{
//		Identities: store,
//		Status:     func() alkhttp.Status { return alkhttp.Status{NodeID: id.String()} },
//		Routes: func(r chi.Router) {
//			r.Get("/hello", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello\n") })
//		},
//	}
//	err := router.Register(web) // a core.Router; web serves h3, h2 and http/1.1
//
// The three protocols answer alike: same routes, same headers, same bytes.
// HTTP/1.1 and HTTP/2 run on the stream of any single-stream connection and
// announce HTTP/3 at the same port (Alt-Svc, RFC 7838); HTTP/3 needs the QUIC
// connection itself. net/http and quic-go do the framing.
//
// # What a stranger sees
//
// /healthz, and if configured a status page at / and the node's signed document
// at /.well-known/alknet. Everything else is the decoy: the error page of a
// common web server, byte for byte the same whether a path does not exist or the
// caller may not use it. Set [Server.Challenge] to answer 401, 403 and 429
// instead. [Server.Call] shows itself to whoever asks for its path.
//
// # Who is asking
//
// A request is nobody's unless it carries "Authorization: Bearer" and a token
// that the identity provider knows (RFC 6750, section 2.1). Cookies, Basic,
// query parameters and client certificates identify nobody, so that no browser
// sends a right along by itself. [Server.Require] guards a route; inside it
// [IdentityFrom] tells who calls. Failed attempts are counted by source prefix.
//
// # WebSocket
//
// [Server.Call] serves WebSockets (RFC 6455) at /alknet/call, HTTP/1.1 only, as
// connections of one stream with the protocol name "alknet/call":
//
//	web.Call = &call.Server{Registry: reg, Identities: store}
//
// A binary message is one frame of that stream; anything else ends the socket
// with 1002. The upgrade needs a token, in Authorization or, since browsers
// cannot set that, as a subprotocol beside the one that is selected:
//
//	new WebSocket(url, ["alknet.call", "alknet.bearer." + token])
//
// The token is never echoed or logged here; a proxy in front may log request
// headers. Pages of every origin may connect: the token is the only right they
// have, and no browser adds it by itself. The connection proves the token's
// identity, and ends when that is revoked. Messages are not compressed, have at
// most 64 MiB and are read one ahead of the handler. A peer that neither sends
// nor answers a ping for [Limits.StallTimeout] is gone, and one that takes
// nothing for as long is too; if it takes not even a ping or pong, five seconds
// are enough.
//
// # Limits
//
// [Limits] bounds headers, bodies, streams and the time that a peer may keep
// anything waiting. A request body or a response may take as long as it likes
// while it moves; one that stands still for [Limits.StallTimeout] ends. Two
// bounds are those of the libraries: HTTP/2 allows ten seconds for SETTINGS,
// and an HTTP/3 stream whose header never completes lives as long as its
// connection, which ends when no request has arrived for [Limits.IdleTimeout].
//
// [Server.Drain] closes idle HTTP/1.1 connections, sends GOAWAY on HTTP/2 and
// HTTP/3, and waits for the requests in progress and for the handlers of
// WebSockets, which then close with 1001.
package alkhttp
