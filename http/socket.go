package alkhttp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/coder/websocket"
)

// closeTimeout bounds the closing handshake.
const closeTimeout = 2 * time.Second

// keptBuffer is the largest message buffer that outlives its message.
const keptBuffer = 64 << 10

// A socket is a WebSocket as a stream of frames: docs/wire/call.md, section 8.
// What the peer sends is read one message ahead. A WebSocket has no half-close:
// CloseWrite begins the closing handshake, during which messages that still
// arrive may be dropped.
type socket struct {
	ws     *websocket.Conn
	wire   *wire
	conn   core.Connection
	leaves context.Context // ends when the node begins to stop

	inbox, feed net.Conn // a pipe: receive writes to feed, Read reads from inbox
	blocked     atomic.Bool

	sending sync.Mutex // held during Write
	split   splitter

	once  sync.Once
	over  chan struct{} // closed when the closing handshake begins
	tasks sync.WaitGroup
}

func newSocket(ws *websocket.Conn, w *wire, leaves context.Context) *socket {
	s := &socket{ws: ws, wire: w, leaves: leaves, over: make(chan struct{})}
	s.inbox, s.feed = net.Pipe()
	s.split.whole = func(message []byte) error {
		return ws.Write(context.Background(), websocket.MessageBinary, message)
	}
	s.split.begin = func() (io.WriteCloser, error) {
		return ws.Writer(context.Background(), websocket.MessageBinary)
	}
	s.conn = core.NewDialedStreamConn(s, callALPN)
	return s
}

func (s *socket) start(stall time.Duration) {
	s.tasks.Go(s.receive)
	s.tasks.Go(func() { s.keepAlive(max(stall/2, 1)) })
}

// wait returns when everything has ended; conn must have been closed.
func (s *socket) wait() { s.tasks.Wait() }

func (s *socket) LocalAddr() net.Addr                { return s.wire.LocalAddr() }
func (s *socket) RemoteAddr() net.Addr               { return s.wire.RemoteAddr() }
func (s *socket) SetReadDeadline(t time.Time) error  { return s.inbox.SetReadDeadline(t) }
func (s *socket) SetWriteDeadline(t time.Time) error { return s.wire.SetWriteDeadline(t) }

func (s *socket) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.inbox.Read(p)
	if errors.Is(err, io.EOF) { // the end in good order has closed conn before
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *socket) Write(p []byte) (n int, err error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	select {
	case <-s.over:
		return 0, net.ErrClosed
	default:
	}
	if s.split.complete(p) {
		return s.split.Write(p)
	}
	err = s.wire.batch(func() error {
		n, err = s.split.Write(p)
		return err
	})
	return n, err
}

// Close begins the closing handshake, which ends on its own.
func (s *socket) Close() error {
	s.inbox.Close()
	return s.CloseWrite()
}

func (s *socket) CloseWrite() error {
	s.once.Do(func() {
		code, reason := s.status()
		close(s.over)
		if s.sending.TryLock() {
			s.sending.Unlock()
		} else {
			s.wire.Close() // a Write is stuck, and so would be the Close frame
		}
		s.tasks.Go(func() {
			defer time.AfterFunc(closeTimeout, func() { s.wire.Close() }).Stop()
			if code == websocket.StatusAbnormalClosure {
				_ = s.ws.CloseNow()
				return
			}
			_ = s.ws.Close(code, reason)
		})
	})
	return nil
}

// status is RFC 6455, section 7.4, for why the connection ends.
func (s *socket) status() (websocket.StatusCode, string) {
	var ce *core.CloseError
	if !errors.As(context.Cause(s.conn.Context()), &ce) {
		ce = &core.CloseError{}
	}
	reason := strings.ToValidUTF8(ce.Reason[:min(len(ce.Reason), 123)], "")
	switch {
	case ce.Err != nil, ce.Code == core.CodeTimeout:
		return websocket.StatusAbnormalClosure, "" // nobody is there to take a Close frame
	case ce.Code == core.CodeShutdown, ce.Code == core.CodeNone && s.leaves.Err() != nil:
		return websocket.StatusGoingAway, "the node stops"
	case ce.Code == core.CodeNone:
		return websocket.StatusNormalClosure, ""
	case ce.Code == core.CodeProtocol:
		return websocket.StatusProtocolError, reason
	case ce.Code == core.CodeInternal:
		return websocket.StatusInternalError, reason
	}
	return websocket.StatusPolicyViolation, reason
}

var errNotObject = errors.New("a message is one JSON object, sent as binary")

// receive owns the reading side and closes the connection when that has ended.
func (s *socket) receive() {
	defer s.feed.Close()
	err := s.messages()
	switch {
	case errors.Is(err, io.ErrClosedPipe): // closed on this side
	case errors.Is(err, errNotObject):
		s.conn.Close(core.CodeProtocol, err.Error())
	case errors.Is(err, websocket.ErrMessageTooBig):
		s.conn.Close(core.CodeProtocol, "a message has at most 64 MiB")
	case websocket.CloseStatus(err) != -1:
		s.conn.Close(core.CodeNone, "closed by the peer")
	case s.wire.failed.Load(): // Read reports it
	default:
		s.conn.Close(core.CodeProtocol, "not WebSocket (RFC 6455)")
	}
}

func (s *socket) messages() error {
	var buf []byte
	for {
		typ, r, err := s.ws.Reader(context.Background())
		if err != nil {
			return err
		}
		if typ != websocket.MessageBinary {
			return errNotObject
		}
		buf, err = readFrame(buf, r)
		if err != nil {
			return err
		}
		s.blocked.Store(true)
		_, err = s.feed.Write(buf)
		s.blocked.Store(false)
		if err != nil {
			return err
		}
		if cap(buf) > keptBuffer {
			buf = nil
		}
	}
}

// readFrame makes a frame of one message in buf, which it replaces by a larger
// one as bytes arrive.
func readFrame(buf []byte, r io.Reader) ([]byte, error) {
	buf = append(buf[:0], 0, 0, 0, 0)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, 1024)...)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return buf, fmt.Errorf("read message: %w", err)
		}
	}
	if !looksLikeObject(buf[4:]) {
		return buf, errNotObject
	}
	binary.BigEndian.PutUint32(buf, uint32(len(buf)-4))
	return buf, nil
}

// looksLikeObject leaves the inside to the handler, who parses it anyway.
func looksLikeObject(message []byte) bool {
	message = bytes.Trim(message, " \t\r\n") // RFC 8259, section 2
	return len(message) >= 2 && message[0] == '{' && message[len(message)-1] == '}'
}

// keepAlive asks a silent peer whether it is still there, and keeps the
// middleboxes on the way from forgetting the connection.
func (s *socket) keepAlive(every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-s.over:
			return
		case <-ticker.C:
		}
		before := s.wire.read.Load()
		ctx, cancel := context.WithTimeout(context.Background(), every)
		err := s.ws.Ping(ctx)
		cancel()
		// An answer may be stuck behind a message that still arrives, or that
		// the handler has not taken.
		if err != nil && s.wire.read.Load() == before && !s.blocked.Load() {
			s.conn.Close(core.CodeTimeout, "the peer does not answer")
			return
		}
	}
}
