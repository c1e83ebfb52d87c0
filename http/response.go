package alkhttp

import (
	"bufio"
	"net"
	"net/http"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// response is the ResponseWriter that handlers see. It knows whether the
// response has begun, and bounds every write that does not move: a peer that
// grants no flow control would hold the handler for ever.
type response struct {
	http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration // 0: the connection sees to it
	begun bool

	manualRead, manualWrite bool // the handler set a deadline itself
}

// streamer is response on HTTP/3, for handlers that take the stream over.
type streamer struct {
	*response
	http3.HTTPStreamer
	http3.Settingser
}

func (s *Server) newResponse(w http.ResponseWriter, r *http.Request) (*response, http.ResponseWriter) {
	res := &response{ResponseWriter: w, rc: http.NewResponseController(w), stall: s.limits.StallTimeout}
	hs, ok := w.(http3.HTTPStreamer)
	if !ok {
		return res, res
	}
	st, _ := w.(http3.Settingser)
	return res, &streamer{res, &begin{res, hs}, st}
}

// begin marks the response as begun when its stream is taken.
type begin struct {
	res *response
	hs  http3.HTTPStreamer
}

func (b *begin) HTTPStream() *http3.Stream {
	b.res.begun, b.res.manualRead, b.res.manualWrite = true, true, true
	return b.hs.HTTPStream()
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *response) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.begun = true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	w.begun = true
	defer w.hurry()()
	return w.ResponseWriter.Write(p)
}

func (w *response) Flush() { _ = w.FlushError() }

func (w *response) FlushError() error {
	w.begun = true
	defer w.hurry()()
	return w.rc.Flush()
}

// Hijack works on HTTP/1.1 only.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := w.rc.Hijack()
	if err == nil {
		w.begun, w.manualRead, w.manualWrite = true, true, true
	}
	return nc, rw, err
}

func (w *response) SetReadDeadline(t time.Time) error {
	w.manualRead = true
	return w.rc.SetReadDeadline(t)
}

func (w *response) SetWriteDeadline(t time.Time) error {
	w.manualWrite = true
	return w.rc.SetWriteDeadline(t)
}

// hurry sets a write deadline and returns what takes it back.
func (w *response) hurry() func() {
	if w.manualWrite || w.stall == 0 {
		return func() {}
	}
	_ = w.rc.SetWriteDeadline(time.Now().Add(w.stall))
	return func() { _ = w.rc.SetWriteDeadline(time.Time{}) }
}

// end bounds what the library still has to send once the handler has returned.
func (w *response) end() {
	if !w.manualWrite && w.stall != 0 {
		_ = w.rc.SetWriteDeadline(time.Now().Add(w.stall))
	}
}
