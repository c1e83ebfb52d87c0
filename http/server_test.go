package alkhttp_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	alkhttp "github.com/alkdev/alknet/http"

	"github.com/go-chi/chi/v5"
)

func status() alkhttp.Status {
	return alkhttp.Status{
		NodeID: "yj4bqhr6cjmpg4bhz1ud9rhzfqxn7c8bkwmfzn5s6z7h3mt3kq8o", Version: "0.1.0",
		Protocols: []string{"h3", "h2", "alknet/ssh"},
		Commands:  []alkhttp.Command{{Label: "A shell", Line: "ssh <you>@node"}},
	}
}

func TestSameAnswersOnEveryProtocol(t *testing.T) {
	n := start(t, &alkhttp.Server{
		Status:    status,
		WellKnown: func() ([]byte, error) { return []byte(`{"node_id":"x"}`), nil },
		Routes: func(r chi.Router) {
			r.Post("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
			r.Get("/healthz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "mine") })
		},
	})
	tests := []struct {
		name, method, path string
		header             http.Header
		send               string
		status             int
		contentType, body  string // body is a part of it
	}{
		{"health", "GET", "/healthz", nil, "", 200, "text/plain; charset=utf-8", "ok\n"},
		{"health as JSON", "GET", "/healthz", http.Header{"Accept": {"application/json"}}, "", 200, "application/json", `{"status":"ok"}`},
		{"health head", "HEAD", "/healthz", nil, "", 200, "text/plain; charset=utf-8", ""},
		{"health options", "OPTIONS", "/healthz", nil, "", 204, "", ""},
		{"health post", "POST", "/healthz", nil, "", 405, "text/html", "405 Method Not Allowed"},
		{"status", "GET", "/", nil, "", 200, "text/html; charset=utf-8", "yj4bqhr6cjmpg4bhz1ud9rhzfqxn7c8bkwmfzn5s6z7h3mt3kq8o"},
		{"status escapes", "GET", "/", nil, "", 200, "text/html; charset=utf-8", "ssh &lt;you&gt;@node"},
		{"well-known", "GET", "/.well-known/alknet", nil, "", 200, "application/json", `{"node_id":"x"}`},
		{"own route", "POST", "/echo", nil, "over", 200, "text/plain; charset=utf-8", "over"},
		{"unknown path", "GET", "/wp-login.php", nil, "", 404, "text/html", "404 Not Found"},
		{"unknown method", "BREW", "/", nil, "", 404, "text/html", "404 Not Found"},
		{"wrong method of own route", "DELETE", "/echo", nil, "", 404, "text/html", "404 Not Found"},
		{"metrics off", "GET", "/metrics", nil, "", 404, "text/html", "404 Not Found"},
		{"slash", "GET", "/healthz/", nil, "", 404, "text/html", "404 Not Found"},
		{"dots", "GET", "/x/../healthz", nil, "", 404, "text/html", "404 Not Found"},
	}
	each(t, func(t *testing.T, proto string) {
		c := n.client(proto)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var send io.Reader
				if tt.send != "" {
					send = strings.NewReader(tt.send)
				}
				got := n.do(c, tt.method, tt.path, tt.header, send)
				if got.status != tt.status || got.header.Get("Content-Type") != tt.contentType || !strings.Contains(got.body, tt.body) {
					t.Errorf("got %d %q %q\nwant %d %q %q", got.status, got.header.Get("Content-Type"), got.body,
						tt.status, tt.contentType, tt.body)
				}
				if tt.method == "HEAD" && got.body != "" {
					t.Errorf("HEAD has a body: %q", got.body)
				}
				if (got.status == 204 || got.status == 405) && got.header.Get("Allow") != "GET, HEAD, OPTIONS" {
					t.Errorf("Allow: %q", got.header.Get("Allow"))
				}
				if want := map[string]string{"http/1.1": "HTTP/1.1", "h2": "HTTP/2.0", "h3": "HTTP/3.0"}[proto]; got.proto != want {
					t.Errorf("protocol %q, want %q", got.proto, want)
				}
			})
		}
	})
}
