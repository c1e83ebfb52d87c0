package alkhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	alkhttp "github.com/alkdev/alknet/http"

	"github.com/go-chi/chi/v5"
	"github.com/quic-go/quic-go"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// The tests of this file are named after faults that other servers had.

// gauge counts handlers that run at the same time, and ignores cancellation.
type gauge struct {
	now, most, all atomic.Int64
	release        chan struct{}
}

func (g *gauge) ServeHTTP(http.ResponseWriter, *http.Request) {
	g.all.Add(1)
	n := g.now.Add(1)
	defer g.now.Add(-1)
	for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
	}
	<-g.release
}

func TestRapidReset_CVE_2023_44487_HTTP2(t *testing.T) {
	const limit, flood = 8, 5000
	g := &gauge{release: make(chan struct{})}
	n := start(t, &alkhttp.Server{
		Limits: alkhttp.Limits{MaxConcurrentStreams: limit},
		Routes: func(r chi.Router) { r.Handle("/held", g) },
	})
	c := n.dial("h2")
	ended := make(chan struct{})
	go func() { io.Copy(io.Discard, c); close(ended) }()
	io.WriteString(c, http2.ClientPreface)
	fr := http2.NewFramer(c, nil)
	fr.WriteSettings()
	var err error
	for i := range uint32(flood) {
		id := 2*i + 1
		err = errors.Join(
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h2Header("/held"), EndStream: true, EndHeaders: true}),
			fr.WriteRSTStream(id, http2.ErrCodeCancel))
		if err != nil {
			break
		}
	}
	<-ended // ENHANCE_YOUR_CALM
	close(g.release)
	if g.most.Load() > limit {
		t.Errorf("%d handlers at once, limit %d", g.most.Load(), limit)
	}
}

func TestRapidReset_CVE_2023_44487_HTTP3(t *testing.T) {
	const limit, flood = 8, 2000
	g := &gauge{release: make(chan struct{})}
	n := start(t, &alkhttp.Server{
		Limits: alkhttp.Limits{MaxConcurrentStreams: limit},
		Routes: func(r chi.Router) { r.Handle("/held", g) },
	})
	qc := n.dialQUIC()
	settings(t, qc)
	for range flood {
		str := request(t, qc, frame(frameHeaders, fields(methodGET, "/held")))
		str.CancelRead(0x10c) // H3_REQUEST_CANCELLED
		str.Close()
	}
	// Refused ones have been answered once another request has.
	str := request(t, qc, frame(frameHeaders, fields(methodGET, "/")))
	str.Close()
	io.Copy(io.Discard, str)
	close(g.release)
	if g.all.Load() < limit {
		t.Errorf("only %d requests arrived: this shows nothing", g.all.Load())
	}
	if g.most.Load() > limit {
		t.Errorf("%d handlers at once, limit %d", g.most.Load(), limit)
	}
}

func h2Header(path string) []byte {
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: "localhost"}, {Name: ":path", Value: path},
	} {
		e.WriteField(f)
	}
	return buf.Bytes()
}

func TestContinuationFlood_CVE_2023_45288(t *testing.T) {
	n := start(t, &alkhttp.Server{})
	c := n.dial("h2")
	// What is sent after the server's end is dropped unread, for the two
	// seconds that a connection lingers.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(io.Discard, c)
	}()
	io.WriteString(c, http2.ClientPreface)
	fr := http2.NewFramer(c, nil)
	fr.WriteSettings()
	fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h2Header("/"), EndStream: true})
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	for buf.Len() < 15<<10 {
		e.WriteField(hpack.HeaderField{Name: "x-flood", Value: strings.Repeat("z", 200), Sensitive: true})
	}
	const most = 64 << 20
	for sent := 0; sent < most; sent += buf.Len() {
		if err := fr.WriteContinuation(1, false, buf.Bytes()); err != nil {
			return
		}
		select {
		case <-ended:
			return
		default:
		}
	}
	t.Errorf("%d bytes of CONTINUATION were taken", most)
}

func TestQPACKExpansion_CVE_2025_64702(t *testing.T) {
	var reached atomic.Bool
	n := start(t, &alkhttp.Server{Routes: func(r chi.Router) {
		r.Get("/x", func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	}})
	qc := n.dialQUIC()
	settings(t, qc)
	small := request(t, qc, frame(frameHeaders, fields(methodGET, "/x", bomb(3)...)))
	small.Close()
	io.Copy(io.Discard, small)
	if !reached.Swap(false) {
		t.Fatal("a few fields did not arrive: this shows nothing")
	}
	// 40 kB on the wire, within the limit; 2.4 MB of fields.
	str := request(t, qc, frame(frameHeaders, fields(methodGET, "/x", bomb(20_000)...)))
	str.Close()
	b, err := io.ReadAll(str)
	if err == nil && len(b) == 0 {
		t.Error("no answer and no error")
	}
	if reached.Load() {
		t.Error("the handler saw the request")
	}
}

func TestTrailerExpansion_CVE_2026_40898(t *testing.T) {
	got := make(chan error, 1)
	n := start(t, &alkhttp.Server{Routes: func(r chi.Router) {
		r.Post("/x", func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			if err == nil && len(r.Trailer) > 0 {
				err = fmt.Errorf("trailers: %d", len(r.Trailer))
			}
			got <- err
		})
	}})
	qc := n.dialQUIC()
	settings(t, qc)
	for _, tt := range []struct {
		name    string
		trailer []byte
		want    bool // an error
	}{
		{"none", nil, false},
		{"expanding", frame(frameHeaders, append([]byte{0, 0}, bomb(20_000)...)), true},
		{"oversize", []byte{frameHeaders, 0x80, 0x10, 0, 0}, true}, // says 1 MiB
		{"pseudo header", frame(frameHeaders, []byte{0, 0, 0xc0 | methodGET}), true},
	} {
		str := request(t, qc, frame(frameHeaders, fields(methodPOST, "/x")), frame(frameData, []byte("body")), tt.trailer)
		str.Close()
		if err := <-got; (err != nil) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if qc.Context().Err() != nil {
		t.Errorf("the connection ended: %v", context.Cause(qc.Context()))
	}
}

func TestSlowloris(t *testing.T) {
	limits := alkhttp.Limits{ReadHeaderTimeout: 50 * time.Millisecond, IdleTimeout: 100 * time.Millisecond}
	stream := []struct{ name, alpn, send string }{
		{"nothing", "http/1.1", ""},
		{"part of a request line", "http/1.1", "GET / HT"},
		{"part of a header", "http/1.1", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n"},
		{"idle after a request", "http/1.1", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"HTTP/2 without preface", "h2", ""},
		{"HTTP/2 with half a preface", "h2", "PRI * HTTP/2.0\r\n\r\n"},
		{"HTTP/2 without a request", "h2", http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
		{"HTTP/2 with half a header", "h2", http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" +
			"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82"},
	}
	for _, tt := range stream {
		t.Run(tt.name, func(t *testing.T) {
			n := start(t, &alkhttp.Server{Limits: limits})
			c := n.dial(tt.alpn)
			io.WriteString(c, tt.send)
			io.Copy(io.Discard, c) // returns when the server ends the connection
		})
	}
	t.Run("HTTP/3 with half a header", func(t *testing.T) {
		n := start(t, &alkhttp.Server{Limits: limits})
		qc := n.dialQUIC()
		settings(t, qc)
		request(t, qc, []byte{frameHeaders, 0x40, 0xff, 0, 0})
		<-qc.Context().Done()
		var ae *quic.ApplicationError
		if !errors.As(context.Cause(qc.Context()), &ae) || !ae.Remote {
			t.Errorf("ended by %v", context.Cause(qc.Context()))
		}
	})
}

func TestRequestSmuggling(t *testing.T) {
	n := start(t, &alkhttp.Server{Routes: func(r chi.Router) {
		r.Post("/", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
		r.Get("/smuggled", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "SMUGGLED") })
	}})
	const hidden = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	tests := []struct {
		name, head, body string
		status           int
	}{
		{"two lengths", "Content-Length: 0\r\nContent-Length: 44\r\n", hidden, 400},
		{"negative length", "Content-Length: -1\r\n", hidden, 400},
		{"signed length", "Content-Length: +3\r\n", hidden, 400},
		{"length and chunked", "Content-Length: 49\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden, 200},
		{"chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden, 501},
		{"chunked disguised", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n" + hidden, 501},
		{"chunked last of two", "Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n" + hidden, 501},
		{"space before colon", "Content-Length : 44\r\n", hidden, 400},
		{"oversize chunk", "Transfer-Encoding: chunked\r\n", "ffffffffffffffff1\r\nx\r\n0\r\n\r\n" + hidden, 200},
		{"bad chunk end", "Transfer-Encoding: chunked\r\n", "1\r\nxx0\r\n\r\n" + hidden, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := n.dial("http/1.1")
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\n"+tt.head+"\r\n"+tt.body)
			all, _ := io.ReadAll(c) // the server ends the connection
			res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), nil)
			if err != nil {
				t.Fatalf("%v in %q", err, all)
			}
			res.Body.Close()
			if res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
			if bytes.Contains(all, []byte("SMUGGLED")) {
				t.Errorf("the hidden request was answered: %q", all)
			}
		})
	}
}
