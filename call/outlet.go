package call

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/alkdev/alknet/core"
)

const (
	outletRoom  = 512 << 10 // writers wait beyond it
	outletFlood = 512 << 10 // and so much more for what cannot wait
	outletKeep  = 1 << 20   // the largest buffer kept
)

var errFlooded = errors.New("the peer does not read what it asks for")

// An outlet writes frames to a stream. What comes while a write is under way
// goes out in one piece with the next.
type outlet struct {
	st   core.Stream
	work func(task) bool // runs a task of the connection
	lost func(error)     // told of the first error

	mu      sync.Mutex
	buf     []byte
	spare   []byte
	writing bool
	ended   bool
	err     error
	room    chan struct{} // closed when there is room; nil if nobody waits
	idle    chan struct{} // closed when all is written; nil if nobody waits
}

var errFull = errors.New("no room")

// try is put for one who does not want to wait: without room it returns errFull.
func (o *outlet) try(frame func([]byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && len(o.buf) >= outletRoom {
		return errFull
	}
	return o.add(frame)
}

// put appends a frame, once there is room.
func (o *outlet) put(ctx context.Context, frame func([]byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && len(o.buf) >= outletRoom {
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
		}
		o.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return o.add(frame)
}

// putLast is put for a goroutine that has nothing else to do. If it reports
// true, nobody writes: the caller has to run it.
func (o *outlet) putLast(ctx context.Context, frame func([]byte) []byte) (run bool) {
	o.mu.Lock()
	if o.writing || o.err != nil || o.ended || len(o.buf) > 0 {
		o.mu.Unlock()
		o.put(ctx, frame)
		return false
	}
	o.buf = frame(o.buf)
	o.writing = true
	o.mu.Unlock()
	return true
}

// push appends a frame and never waits.
func (o *outlet) push(frame func([]byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) >= outletRoom+outletFlood {
		return errFlooded
	}
	return o.add(frame)
}

func (o *outlet) add(frame func([]byte) []byte) error {
	switch {
	case o.err != nil:
		return o.err
	case o.ended:
		return errors.New("the stream's sending direction has ended")
	}
	o.buf = frame(o.buf)
	if !o.writing {
		if o.writing = o.work(o); !o.writing {
			return errClosed
		}
	}
	return nil
}

// end ends the sending direction once everything is written.
func (o *outlet) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.ended = true
	if !o.writing && o.err == nil {
		o.st.CloseWrite()
	}
}

// flush waits until everything is written, and reports whether it is.
func (o *outlet) flush(ctx context.Context) bool {
	o.mu.Lock()
	if !o.writing {
		defer o.mu.Unlock()
		return o.err == nil
	}
	if o.idle == nil {
		o.idle = make(chan struct{})
	}
	idle := o.idle
	o.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err == nil
}

func (o *outlet) run() {
	// Others who are about to write do so first: one write, and one packet, for
	// many small frames.
	runtime.Gosched()
	for {
		batch, ok := o.take()
		if !ok {
			return
		}
		_, err := o.st.Write(batch)
		o.written(batch, err)
	}
}

func (o *outlet) take() ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) == 0 || o.err != nil {
		o.writing = false
		if o.idle != nil {
			close(o.idle)
			o.idle = nil
		}
		if o.ended && o.err == nil {
			o.st.CloseWrite()
		}
		return nil, false
	}
	batch := o.buf
	o.buf, o.spare = o.spare, nil
	o.wake()
	return batch, true
}

func (o *outlet) written(batch []byte, err error) {
	o.mu.Lock()
	if cap(batch) <= outletKeep {
		o.spare = batch[:0]
	}
	first := err != nil && o.err == nil
	if first {
		o.err = err
		o.buf = nil
		o.wake()
	}
	o.mu.Unlock()
	if first {
		o.lost(err)
	}
}

// trim gives back the memory of a busy time.
func (o *outlet) trim() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.writing {
		o.buf, o.spare = nil, nil
	}
}

// fail makes all further writes fail, without telling lost.
func (o *outlet) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
		o.buf = nil
		o.wake()
	}
}

func (o *outlet) wake() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}
