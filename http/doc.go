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
// instead.
//
// # Who is asking
//
// A request is nobody's unless it carries "Authorization: Bearer" and a token
// that the identity provider knows (RFC 6750, section 2.1). Cookies, Basic,
// query parameters and client certificates identify nobody, so that no browser
// sends a right along by itself. [Server.Require] guards a route; inside it
// [IdentityFrom] tells who calls. Failed attempts are counted by source prefix.
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
// HTTP/3, and waits for the requests in progress.
package alkhttp
