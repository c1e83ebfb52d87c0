package alkhttp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// chain is what every request passes, on every protocol, outermost first.
func (s *Server) chain(routes http.Handler) http.Handler {
	h := s.identify(routes)
	h = s.matchSNI(h)
	h = s.headers(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, h) })
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	sess := sessionFrom(r.Context())
	if sess == nil { // not through Handle
		http.Error(w, "this handler needs its server", http.StatusInternalServerError)
		return
	}
	active := sess.enter()
	defer sess.leave()
	if !s.admit(w, sess, active) {
		return
	}
	if r.TLS == nil {
		r.TLS = sess.tls
	}
	res, rw := s.newResponse(w, r)
	defer res.end()
	r = s.limitBody(res, w, r)
	// RFC 9112, section 6.1: after Content-Length beside Transfer-Encoding
	// the connection must end. net/http drops the former without a trace.
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		rw.Header().Set("Connection", "close")
	}
	defer s.recover(res, sess)
	next.ServeHTTP(rw, r)
}

// admit bounds the handlers of one connection where the library does not: in
// HTTP/3 a request that the client resets makes room for the next while its
// handler still runs (CVE-2023-44487, "rapid reset").
func (s *Server) admit(w http.ResponseWriter, sess *session, active int) bool {
	if active <= s.limits.MaxConcurrentStreams {
		return true
	}
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	return false
}

// recover answers a panic with 500, or cuts a response that has begun, so that
// it is not taken for complete. Other requests of the connection go on.
func (s *Server) recover(res *response, sess *session) {
	v := recover()
	if v == nil {
		return
	}
	if v != http.ErrAbortHandler && s.Logger != nil {
		s.Logger.Error("web handler panicked", "remote_addr", addrText(sess.who.RemoteAddr),
			"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
	if v == http.ErrAbortHandler || res.begun {
		panic(http.ErrAbortHandler)
	}
	clear(res.Header())
	serveError(res, http.StatusInternalServerError)
}

func (s *Server) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		if v := sessionFrom(r.Context()).altSvc; v != "" {
			h.Set("Alt-Svc", v)
		}
		if r.TLS != nil && s.CACertified != nil && s.CACertified(hostOf(r)) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) matchSNI(next http.Handler) http.Handler {
	if !s.StrictSNI {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && r.TLS.ServerName != "" && !strings.EqualFold(hostOf(r), r.TLS.ServerName) {
			serveError(w, http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf is the request's host without port, brackets and final dot.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	return strings.TrimSuffix(host, ".")
}

// altSvc announces HTTP/3 for a day (RFC 7838, section 3).
func altSvc(port uint16, local net.Addr) string {
	p := int(port)
	if p == 0 {
		p = portOf(local)
	}
	if p == 0 {
		return ""
	}
	return `h3=":` + strconv.Itoa(p) + `"; ma=86400`
}

type bodyKey struct{}

// original is a request's body before it was limited.
type original struct {
	res  *response
	w    http.ResponseWriter
	body io.ReadCloser
}

// limitBody leaves the bodies of CONNECT alone: they are the tunnel.
func (s *Server) limitBody(res *response, w http.ResponseWriter, r *http.Request) *http.Request {
	if r.Method == http.MethodConnect || r.Body == nil || r.Body == http.NoBody {
		return r
	}
	o := &original{res: res, w: w, body: r.Body}
	r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, o))
	r.Body = o.limit(s.limits.MaxBodyBytes)
	return r
}

func (o *original) limit(n int64) io.ReadCloser {
	body := o.body
	if n >= 0 {
		body = http.MaxBytesReader(o.w, body, n)
	}
	return &movingBody{ReadCloser: body, res: o.res}
}

// BodyLimit is the middleware for routes whose request bodies may have another
// size than [Limits.MaxBodyBytes]: n bytes, or any number if n is negative.
// Reading beyond it fails with a [*http.MaxBytesError].
func BodyLimit(n int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if o, ok := r.Context().Value(bodyKey{}).(*original); ok {
				r.Body = o.limit(n)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// movingBody fails a read that waits for longer than the stall timeout.
type movingBody struct {
	io.ReadCloser
	res *response
}

func (b *movingBody) Read(p []byte) (int, error) {
	if b.res.manualRead {
		return b.ReadCloser.Read(p)
	}
	_ = b.res.rc.SetReadDeadline(time.Now().Add(b.res.stall))
	n, err := b.ReadCloser.Read(p)
	_ = b.res.rc.SetReadDeadline(time.Time{}) // HTTP/2 would end the stream between two reads
	return n, err
}
