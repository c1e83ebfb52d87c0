package alkhttp_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	alkhttp "github.com/alkdev/alknet/http"

	"github.com/go-chi/chi/v5"
)

func TestOversizeHeader(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		var reached atomic.Bool
		n := start(t, &alkhttp.Server{
			Limits: alkhttp.Limits{MaxHeaderBytes: 8 << 10},
			Routes: func(r chi.Router) {
				r.Get("/x", func(http.ResponseWriter, *http.Request) { reached.Store(true) })
			},
		})
		c := n.client(proto)
		req, _ := http.NewRequestWithContext(t.Context(), "GET", n.url("/x"), nil)
		req.Header.Set("X-Big", strings.Repeat("a", 32<<10))
		res, err := c.Do(req)
		// HTTP/2 and HTTP/3 clients know the limit and may refuse themselves.
		if err == nil {
			res.Body.Close()
			if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("status %d", res.StatusCode)
			}
		} else if proto == "http/1.1" {
			t.Error(err)
		}
		if reached.Load() {
			t.Error("the handler saw the request")
		}
		if got := n.do(n.client(proto), "GET", "/healthz", nil, nil); got.status != 200 {
			t.Errorf("afterwards: %d", got.status)
		}
	})
}

func TestBodyLimit(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if mb := (*http.MaxBytesError)(nil); errors.As(err, &mb) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		} else if err != nil {
			t.Error(err)
		}
	}
	each(t, func(t *testing.T, proto string) {
		n := start(t, &alkhttp.Server{
			Limits: alkhttp.Limits{MaxBodyBytes: 100},
			Routes: func(r chi.Router) {
				r.Post("/default", read)
				r.With(alkhttp.BodyLimit(200)).Post("/more", read)
				r.With(alkhttp.BodyLimit(50)).Post("/less", read)
				r.With(alkhttp.BodyLimit(-1)).Post("/any", read)
			},
		})
		c := n.client(proto)
		for _, tt := range []struct {
			path string
			size int
			want int
		}{
			{"/default", 100, 200}, {"/default", 101, 413},
			{"/more", 200, 200}, {"/more", 201, 413},
			{"/less", 50, 200}, {"/less", 51, 413},
			{"/any", 3 << 20, 200},
		} {
			if got := n.do(c, "POST", tt.path, nil, bytes.NewReader(make([]byte, tt.size))); got.status != tt.want {
				t.Errorf("%s with %d bytes: %d, want %d", tt.path, tt.size, got.status, tt.want)
			}
		}
	})
}

// A body that stops coming, and a response that nobody takes, end.
func TestStalledPeer(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		read, wrote := make(chan error, 1), make(chan error, 1)
		n := start(t, &alkhttp.Server{
			Limits: alkhttp.Limits{StallTimeout: 100 * time.Millisecond},
			Routes: func(r chi.Router) {
				r.Post("/up", func(_ http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					read <- err
				})
				r.Get("/down", func(w http.ResponseWriter, r *http.Request) {
					chunk := make([]byte, 256<<10)
					for {
						if _, err := w.Write(chunk); err != nil {
							wrote <- err
							return
						}
					}
				})
			},
		})
		c := n.client(proto)
		body, end := io.Pipe()
		go end.Write([]byte("hello"))
		req, _ := http.NewRequestWithContext(t.Context(), "POST", n.url("/up"), body)
		go func() {
			if res, err := c.Do(req); err == nil {
				res.Body.Close()
			}
		}()
		if err := <-read; err == nil {
			t.Error("a body that stopped was complete")
		}
		end.Close()

		res, err := n.client(proto).Get(n.url("/down"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := <-wrote; err == nil {
			t.Error("a response that nobody reads was written")
		}
	})
}

// A handler that takes its time between two reads or writes does not stall.
func TestSlowHandlerIsNoStall(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		paused := make(chan struct{})
		n := start(t, &alkhttp.Server{
			Limits: alkhttp.Limits{StallTimeout: 100 * time.Millisecond},
			Routes: func(r chi.Router) {
				r.Post("/", func(w http.ResponseWriter, r *http.Request) {
					pause := func() { <-time.After(300 * time.Millisecond) }
					one := make([]byte, 1)
					io.ReadFull(r.Body, one)
					pause()
					close(paused)
					rest, err := io.ReadAll(r.Body)
					if err != nil {
						t.Error(err)
					}
					w.Write(one)
					http.NewResponseController(w).Flush()
					pause()
					w.Write(rest)
				})
			},
		})
		body, end := io.Pipe()
		go func() {
			io.WriteString(end, "h")
			<-paused
			io.WriteString(end, "ello")
			end.Close()
		}()
		if got := n.do(n.client(proto), "POST", "/", nil, body); got.body != "hello" {
			t.Errorf("got %q", got.body)
		}
	})
}
