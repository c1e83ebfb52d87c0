package alkhttp

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// maxHeld is how much a corked wire gathers before it writes.
const maxHeld = 64 << 10

// wire is the connection below a WebSocket. It gathers the messages of one
// batch into few writes, and tells a failed connection from a broken protocol,
// which the library does not.
type wire struct {
	net.Conn
	read   atomic.Uint64 // bytes
	failed atomic.Bool   // a Read failed

	mu     sync.Mutex // protects what follows; held around writes
	corked bool
	held   []byte
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.read.Add(uint64(n))
	if err != nil {
		w.failed.Store(true)
	}
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.corked && len(w.held)+len(p) <= maxHeld {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

func (w *wire) flush() error {
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.Conn.Write(w.held)
	w.held = w.held[:0]
	return err
}

// batch runs f, whose writes it gathers.
func (w *wire) batch(f func() error) error {
	w.cork(true)
	err := f()
	return errors.Join(err, w.cork(false))
}

func (w *wire) cork(on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = on
	if on {
		return nil
	}
	err := w.flush()
	if cap(w.held) > 8<<10 {
		w.held = nil
	}
	return err
}
