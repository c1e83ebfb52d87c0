package alkhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strings"
	"testing"
	"time"

	alkhttp "github.com/alkdev/alknet/http"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
	"github.com/go-chi/chi/v5"
)

// dump is an answer's status, header without the date, and body, as text.
func (a answer) dump(without ...string) string {
	a.header.Del("Date")
	for _, h := range without {
		a.header.Del(h)
	}
	lines := []string{fmt.Sprint(a.status)}
	for k, v := range a.header {
		lines = append(lines, k+": "+strings.Join(v, ", "))
	}
	sort.Strings(lines)
	return strings.Join(append(lines, a.body), "\n")
}

// tokens is an identity provider of two tokens.
type tokens struct{}

const (
	operator = "alk_operator-0123456789abcdef"
	reader   = "alk_reader-0123456789abcdef"
)

func (tokens) ByToken(_ context.Context, token string) (core.Identity, error) {
	scopes, name := auth.Scopes(nil), ""
	switch token {
	case operator:
		scopes, name = must(auth.ParseScopes([]string{"http:metrics"})), "operator"
	case reader:
		scopes, name = must(auth.ParseScopes([]string{"fs:read"})), "reader"
	default:
		return core.Identity{}, auth.ErrUnknownToken
	}
	return core.Identity{Name: name, Kind: auth.KindToken, Scopes: scopes, Credential: auth.Credential{TokenID: token[:8]}}, nil
}

func (tokens) ByKey(context.Context, auth.Key) (core.Identity, error) {
	return core.Identity{}, auth.ErrUnknownKey
}

func (tokens) Refresh(context.Context, core.Identity) (core.Identity, error) {
	return core.Identity{}, auth.ErrNobody
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func metrics(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "for %s", alkhttp.IdentityFrom(r.Context()).Name)
}

func TestDecoyIsTheSameForWhateverIsAsked(t *testing.T) {
	var all []string
	each(t, func(t *testing.T, proto string) {
		n := start(t, &alkhttp.Server{Identities: tokens{}, Metrics: http.HandlerFunc(metrics)})
		c := n.client(proto)
		for _, tt := range []struct {
			method, path string
			header       http.Header
		}{
			{"GET", "/nothing", nil},
			{"GET", "/", nil},
			{"POST", "/nothing", nil},
			{"GET", "/metrics", nil},
			{"POST", "/metrics", nil},
			{"OPTIONS", "/metrics", nil},
			{"GET", "/metrics", bearer("alk_wrong-0123456789abcdef")},
			{"GET", "/metrics", bearer(reader)},
			{"GET", "/metrics", http.Header{"Authorization": {"Basic YTpi"}}},
			{"GET", "/nothing", bearer(operator)},
			{"GET", "/.well-known/alknet", nil},
		} {
			got := n.do(c, tt.method, tt.path, tt.header, nil)
			all = append(all, got.dump("Alt-Svc"))
			if all[0] != all[len(all)-1] {
				t.Errorf("%s %s: got\n%s\nwant\n%s", tt.method, tt.path, all[len(all)-1], all[0])
			}
			if strings.Contains(strings.ToLower(got.dump()), "alknet") {
				t.Errorf("the decoy tells: %s", got.dump())
			}
		}
	})
}

func TestRequire(t *testing.T) {
	for _, tt := range []struct {
		name      string
		header    http.Header
		status    int
		challenge string
	}{
		{"with scope", bearer(operator), 200, ""},
		{"scheme in any case", http.Header{"Authorization": {"bEARER  " + operator}}, 200, ""},
		{"without token", nil, 401, "Bearer"},
		{"without scope", bearer(reader), 403, ""},
		{"unknown token", bearer("alk_wrong-0123456789abcdef"), 401, `Bearer error="invalid_token"`},
		{"two tokens", http.Header{"Authorization": {"Bearer " + operator, "Bearer " + reader}}, 401, `Bearer error="invalid_token"`},
		{"basic", http.Header{"Authorization": {"Basic YTpi"}}, 401, `Bearer error="invalid_token"`},
		{"in a cookie", http.Header{"Cookie": {"token=" + operator}}, 401, "Bearer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, proto string) {
				var log records
				n := start(t, &alkhttp.Server{
					Identities: tokens{}, Challenge: true, Metrics: http.HandlerFunc(metrics), Logger: log.logger(),
				})
				got := n.do(n.client(proto), "GET", "/metrics", tt.header, nil)
				if got.status != tt.status || got.header.Get("WWW-Authenticate") != tt.challenge {
					t.Errorf("got %d %q", got.status, got.header.Get("WWW-Authenticate"))
				}
				if got.status == 200 && (got.body != "for operator" || got.header.Get("Cache-Control") != "no-store") {
					t.Errorf("got %s", got.dump())
				}
				if strings.Contains(log.String(), "0123456789abcdef") {
					t.Errorf("a token is in the log: %s", &log)
				}
				attempts := strings.Count(log.String(), "auth attempt")
				if want := len(tt.header["Authorization"]) > 0; (attempts == 1) != want {
					t.Errorf("%d attempts logged: %s", attempts, &log)
				}
			})
		})
	}
}

func TestFailuresAreLimitedBySource(t *testing.T) {
	var log records
	n := start(t, &alkhttp.Server{
		Identities: tokens{}, Challenge: true, Metrics: http.HandlerFunc(metrics), Logger: log.logger(),
		Failures: config.NewFailures(func() config.Limits { return config.Limits{AuthFailures: 3} }),
	})
	c := n.client("h2")
	for range 3 {
		if got := n.do(c, "GET", "/metrics", bearer("alk_wrong-0123456789abcdef"), nil); got.status != 401 {
			t.Fatalf("status %d", got.status)
		}
	}
	for _, token := range []string{"alk_wrong-0123456789abcdef", operator} {
		if got := n.do(n.client("h3"), "GET", "/metrics", bearer(token), nil); got.status != 429 || got.header.Get("Retry-After") == "" {
			t.Errorf("after the limit: %s", got.dump())
		}
	}
	if got := n.do(c, "GET", "/healthz", nil, nil); got.status != 200 {
		t.Errorf("public path: %d", got.status)
	}
	if c := strings.Count(log.String(), "auth attempt"); c != 3 {
		t.Errorf("%d attempts logged", c)
	}
}

func TestIdentityIsProvedOnTheConnection(t *testing.T) {
	refuse := errors.New("too many connections")
	for _, limit := range []error{nil, refuse} {
		here, there := net.Pipe()
		web := &alkhttp.Server{Identities: tokens{}, Challenge: true, Metrics: http.HandlerFunc(metrics)}
		who := core.NewAuthContext(core.Identity{}, auth.Key{}, "http/1.1", here.RemoteAddr(), func(core.Identity) error { return limit })
		conn := core.NewStreamConn(here, "http/1.1")
		handled := make(chan error, 1)
		go func() { handled <- web.Handle(t.Context(), conn, who) }()
		br := bufio.NewReader(there)
		for _, tt := range []struct{ token, proved string }{{reader, "reader"}, {operator, "reader"}} {
			fmt.Fprintf(there, "GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", tt.token)
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			want, proved := map[string]int{reader: 403, operator: 200}[tt.token], tt.proved
			if limit != nil {
				want, proved = 429, ""
			}
			if res.StatusCode != want || who.Who().Name != proved {
				t.Errorf("limit %v, %s: status %d, connection is %q", limit, tt.token, res.StatusCode, who.Who().Name)
			}
		}
		there.Close()
		if err := <-handled; err != nil && !errors.Is(err, core.ErrConnectionClosed) {
			t.Error(err)
		}
		conn.Close(core.CodeNone, "")
	}
}

func TestPanicEndsItsRequestOnly(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		var log records
		n := start(t, &alkhttp.Server{Logger: log.logger(), Routes: func(r chi.Router) {
			r.Get("/early", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Secret", "1")
				panic("boom")
			})
			r.Get("/late", func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, strings.Repeat("x", 64<<10))
				panic("boom")
			})
			r.Get("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}})
		c := n.client(proto)
		if got := n.do(c, "GET", "/early", nil, nil); got.status != 500 || got.header.Get("X-Secret") != "" || strings.Contains(got.body, "boom") {
			t.Errorf("early: %s", got.dump())
		}
		for _, path := range []string{"/late", "/abort"} {
			res, err := c.Get(n.url(path))
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			if err == nil {
				t.Errorf("%s: the response looks complete", path)
			}
		}
		if got := n.do(c, "GET", "/healthz", nil, nil); got.status != 200 {
			t.Errorf("afterwards: %d", got.status)
		}
		if c := strings.Count(log.String(), "boom"); c != 2 {
			t.Errorf("%d panics logged", c)
		}
	})
}

func TestHeaders(t *testing.T) {
	port := func(n *node) string { _, p, _ := net.SplitHostPort(n.addr); return p }
	for _, tt := range []struct {
		name   string
		web    *alkhttp.Server
		altSvc func(n *node) string
		hsts   string
	}{
		{"plain", &alkhttp.Server{}, func(n *node) string { return `h3=":` + port(n) + `"; ma=86400` }, ""},
		{"other port", &alkhttp.Server{AltSvcPort: 443}, func(*node) string { return `h3=":443"; ma=86400` }, ""},
		{"no UDP", &alkhttp.Server{NoAltSvc: true}, func(*node) string { return "" }, ""},
		{"CA certificate", &alkhttp.Server{NoAltSvc: true, CACertified: func(h string) bool { return h == "127.0.0.1" }},
			func(*node) string { return "" }, "max-age=31536000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := start(t, tt.web)
			for _, proto := range protocols {
				for _, path := range []string{"/healthz", "/nothing"} {
					h := n.do(n.client(proto), "GET", path, nil, nil).header
					alt := tt.altSvc(n)
					if proto == "h3" {
						alt = ""
					}
					for k, want := range map[string]string{
						"Alt-Svc": alt, "Strict-Transport-Security": tt.hsts, "X-Content-Type-Options": "nosniff",
						"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
					} {
						if h.Get(k) != want {
							t.Errorf("%s %s: %s is %q, want %q", proto, path, k, h.Get(k), want)
						}
					}
				}
			}
		})
	}
}

func TestStrictSNI(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		n := start(t, &alkhttp.Server{StrictSNI: true}) // clients send localhost
		c := n.client(proto)
		for host, want := range map[string]int{"localhost": 200, "LOCALHOST:1": 200, "localhost.": 200, "other.example": 421} {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", n.url("/healthz"), nil)
			req.Host = host
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s: %d, want %d", host, res.StatusCode, want)
			}
		}
	})
}

// Any duplex stream will do for HTTP/1.1 and HTTP/2.
func TestStreamWithoutTLS(t *testing.T) {
	for _, proto := range []string{"http/1.1", "h2"} {
		t.Run(proto, func(t *testing.T) {
			here, there := net.Pipe()
			var router core.Router
			router.Linger = time.Millisecond
			router.Register(&alkhttp.Server{})
			done := make(chan error, 1)
			go func() { done <- router.Dispatch(t.Context(), core.NewStreamConn(here, proto), nil) }()
			var p http.Protocols
			p.SetHTTP1(proto == "http/1.1")
			p.SetUnencryptedHTTP2(proto == "h2")
			tr := &http.Transport{Protocols: &p, DialContext: func(context.Context, string, string) (net.Conn, error) { return there, nil }}
			res, err := (&http.Client{Transport: tr}).Get("http://node/healthz")
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(b) != "ok\n" || res.Header.Get("Alt-Svc") != "" {
				t.Errorf("got %q %v", b, res.Header)
			}
			tr.CloseIdleConnections()
			there.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWrongConnection(t *testing.T) {
	for alpn, code := range map[string]uint64{"h3": core.CodeProtocol, "alknet/call": core.CodeNoHandler} {
		here, there := net.Pipe()
		conn := core.NewStreamConn(here, alpn)
		err := new(alkhttp.Server).Handle(t.Context(), conn, core.NewAuthContext(core.Identity{}, auth.Key{}, alpn, nil, nil))
		var he *core.HandlerError
		if !errors.As(err, &he) || he.Code != code {
			t.Errorf("%s: %v", alpn, err)
		}
		conn.Close(core.CodeNone, "")
		there.Close()
	}
}

func TestHijack(t *testing.T) {
	n := start(t, &alkhttp.Server{Routes: func(r chi.Router) {
		r.Get("/up", func(w http.ResponseWriter, _ *http.Request) {
			nc, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
			go func() {
				defer nc.Close()
				io.Copy(nc, rw)
			}()
		})
	}})
	c := n.dial("http/1.1")
	io.WriteString(c, "GET /up HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
	br := bufio.NewReader(c)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	io.WriteString(c, "after the upgrade")
	c.CloseWrite()
	if b, err := io.ReadAll(br); string(b) != "after the upgrade" {
		t.Errorf("got %q, %v", b, err)
	}
}
