package alkhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	alkhttp "github.com/alkdev/alknet/http"

	"github.com/alkdev/alknet/core"
	"github.com/go-chi/chi/v5"
	"github.com/quic-go/quic-go"
	"golang.org/x/net/http2"
)

// slow is a route that tells when it has begun and ends when it is told to.
type slow struct {
	begun   chan struct{}
	release chan struct{}
}

func newSlow() *slow { return &slow{make(chan struct{}, 64), make(chan struct{})} }

func (s *slow) routes(r chi.Router) {
	r.Get("/slow", func(w http.ResponseWriter, r *http.Request) {
		s.begun <- struct{}{}
		select {
		case <-s.release:
			io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
}

// awaitDraining returns once new connections are refused.
func awaitDraining(t *testing.T, web *alkhttp.Server) {
	here, there := net.Pipe()
	defer there.Close()
	conn := core.NewStreamConn(here, "no web protocol")
	defer conn.Close(core.CodeNone, "")
	var he *core.HandlerError
	for he == nil || he.Code != core.CodeShutdown {
		if err := web.Handle(t.Context(), conn, nil); !errors.As(err, &he) {
			t.Fatal(err)
		}
	}
}

func TestDrainWaitsForRequests(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		sl := newSlow()
		n := start(t, &alkhttp.Server{Routes: sl.routes})
		c := n.client(proto)
		got := make(chan string, 1)
		go func() {
			res, err := c.Get(n.url("/slow"))
			if err != nil {
				got <- err.Error()
				return
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			got <- fmt.Sprint(string(b), err)
		}()
		<-sl.begun
		drained := make(chan error, 1)
		go func() { drained <- n.web.Drain(t.Context()) }()
		awaitDraining(t, n.web)
		select {
		case err := <-drained:
			t.Fatalf("drained under a request: %v", err)
		default:
		}
		close(sl.release)
		if g := <-got; g != "done<nil>" {
			t.Errorf("request in progress: %s", g)
		}
		if err := <-drained; err != nil {
			t.Errorf("drain: %v", err)
		}
	})
}

func TestDrainClosesIdleConnections(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		n := start(t, &alkhttp.Server{})
		c := n.client(proto)
		n.do(c, "GET", "/healthz", nil, nil)
		if err := n.web.Drain(t.Context()); err != nil {
			t.Errorf("drain: %v", err)
		}
		if err := n.web.Drain(t.Context()); err != nil {
			t.Errorf("second drain: %v", err)
		}
	})
}

// announcing tells when somebody waits for a stream.
type announcing struct {
	core.Connection
	accepting chan struct{}
}

func (a *announcing) AcceptStream(ctx context.Context) (core.Stream, error) {
	close(a.accepting)
	return a.Connection.AcceptStream(ctx)
}

func TestDrainEndsConnectionsThatSentNothing(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	conn := &announcing{core.NewStreamConn(here, "http/1.1"), make(chan struct{})}
	defer conn.Close(core.CodeNone, "")
	web := &alkhttp.Server{Limits: alkhttp.Limits{ReadHeaderTimeout: time.Hour}}
	handled := make(chan error, 1)
	go func() { handled <- web.Handle(t.Context(), conn, &core.AuthContext{}) }()
	<-conn.accepting
	if err := web.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-handled; err != nil {
		t.Error(err)
	}
}

func TestDrainEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, proto string) {
		sl := newSlow()
		n := start(t, &alkhttp.Server{Routes: sl.routes})
		failed := make(chan error, 1)
		c := n.client(proto)
		go func() {
			res, err := c.Get(n.url("/slow"))
			if err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			failed <- err
		}()
		<-sl.begun
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := n.web.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drain: %v", err)
		}
		n.stop() // the hard stop
		if err := <-failed; err == nil {
			t.Error("the request survived the hard stop")
		}
	})
}

func TestDrainSendsGoAwayOnHTTP2(t *testing.T) {
	n := start(t, &alkhttp.Server{})
	c := n.dial("h2")
	io.WriteString(c, http2.ClientPreface)
	fr := http2.NewFramer(c, c)
	fr.WriteSettings()
	drained := make(chan error, 1)
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatalf("no GOAWAY: %v", err)
		}
		if sf, ok := f.(*http2.SettingsFrame); ok && sf.IsAck() {
			go func() { drained <- n.web.Drain(t.Context()) }()
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			if g.ErrCode != http2.ErrCodeNo {
				t.Errorf("GOAWAY code %v", g.ErrCode)
			}
			break
		}
	}
	c.Close()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainSendsGoAwayOnHTTP3(t *testing.T) {
	n := start(t, &alkhttp.Server{})
	qc := n.dialQUIC()
	str, err := qc.AcceptUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(str)
	// RFC 9114, sections 6.2.1 and 7.2: the stream type, SETTINGS, then GOAWAY.
	if typ := varint(t, r); typ != 0 {
		t.Fatalf("stream type %#x", typ)
	}
	if typ := varint(t, r); typ != 4 {
		t.Fatalf("first frame %#x", typ)
	}
	if _, err := r.Discard(int(varint(t, r))); err != nil {
		t.Fatal(err)
	}
	drained := make(chan error, 1)
	go func() { drained <- n.web.Drain(t.Context()) }()
	if typ := varint(t, r); typ != 7 {
		t.Errorf("frame %#x, want GOAWAY", typ)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	var ae *quic.ApplicationError
	<-qc.Context().Done()
	if !errors.As(context.Cause(qc.Context()), &ae) || ae.ErrorCode != 0x100 {
		t.Errorf("closed with %v, want H3_NO_ERROR", context.Cause(qc.Context()))
	}
}
