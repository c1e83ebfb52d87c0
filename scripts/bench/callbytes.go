package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

// The limit of the call rows: frames of a length, a number and bytes, without JSON or
// a registry, on the transport that call uses. As there, each frame that arrives gets
// a goroutine, and what is ready to be sent leaves in one write.
//
// Measured with 1, 2 and 4 shared streams the rates are the same, and the CPU time is
// the least with one; a stream for each call takes four times as much.
var (
	bytesShared = rpc{"bytes-shared", serveBytes, dialBytes(1)}
	bytesEach   = rpc{"bytes-each", serveBytes, dialBytes(0)}
)

const (
	bytesALPN   = "alknet/bench-bytes"
	frameHeader = 4 + 8
)

func serveBytes(listen string) (string, func(), error) {
	return serveProtocol(listen, false, core.HandlerFunc(bytesALPN, eachStream(func(s core.Stream) {
		out := &batch{to: s}
		var running sync.WaitGroup
		readFrames(s, func(id uint64, body []byte) {
			running.Go(func() { out.send(id, body) })
		})
		running.Wait()
	})))
}

// readFrames calls each with memory that it may keep.
func readFrames(from io.Reader, each func(id uint64, body []byte)) error {
	r := bufio.NewReaderSize(from, chunk)
	for {
		var head [frameHeader]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		each(binary.BigEndian.Uint64(head[4:]), body)
	}
}

func appendFrame(to []byte, id uint64, body []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(body)))
	to = binary.BigEndian.AppendUint64(to, id)
	return append(to, body...)
}

// batch writes in one go what was sent while it wrote.
type batch struct {
	to      io.Writer
	mu      sync.Mutex
	pending []byte
	spare   []byte
	writing bool
	err     error
}

func (b *batch) send(id uint64, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = appendFrame(b.pending, id, body)
	if b.writing {
		return b.err
	}
	b.writing = true
	b.mu.Unlock()
	runtime.Gosched() // what is ready now goes along
	b.mu.Lock()
	for len(b.pending) > 0 && b.err == nil {
		now := b.pending
		b.pending = b.spare[:0]
		b.mu.Unlock()
		_, err := b.to.Write(now)
		b.mu.Lock()
		b.spare, b.err = now, err
	}
	b.writing = false
	return b.err
}

// dialBytes shares a number of streams or, if that is 0, opens one for each call.
func dialBytes(streams int) func(addr string) (rpcClient, error) {
	return func(addr string) (rpcClient, error) {
		conn, err := connector(addr, bytesALPN, false, dial.OnlyQUIC)()
		if err != nil {
			return rpcClient{}, err
		}
		c := rpcClient{close: func() { conn.Close(core.CodeNone, "") }, echo: func(data string) error { return echoAlone(conn, data) }}
		if streams > 0 {
			c.echo, err = echoShared(conn, streams)
		}
		return c, err
	}
}

func echoAlone(conn core.Connection, data string) error {
	s, err := conn.OpenStream(context.Background())
	if err != nil {
		return err
	}
	if _, err := s.Write(appendFrame(nil, 1, []byte(data))); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(s)
	if err != nil {
		return err
	}
	return sameLength(len(got), frameHeader+len(data))
}

// lane is a shared stream.
type lane struct {
	out     *batch
	mu      sync.Mutex
	waiting map[uint64]chan []byte
	err     error
}

func (l *lane) receive(s core.Stream) {
	err := readFrames(s, func(id uint64, body []byte) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if answer := l.waiting[id]; answer != nil {
			delete(l.waiting, id)
			answer <- body
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	for _, answer := range l.waiting {
		close(answer)
	}
}

func (l *lane) echo(id uint64, data string) error {
	answer := make(chan []byte, 1)
	l.mu.Lock()
	l.waiting[id] = answer
	err := l.err
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if err := l.out.send(id, []byte(data)); err != nil {
		return err
	}
	return sameLength(len(<-answer), len(data))
}

func echoShared(conn core.Connection, streams int) (func(string) error, error) {
	lanes := make([]*lane, streams)
	for i := range lanes {
		s, err := conn.OpenStream(context.Background())
		if err != nil {
			return nil, err
		}
		lanes[i] = &lane{out: &batch{to: s}, waiting: map[uint64]chan []byte{}}
		go lanes[i].receive(s)
	}
	var last atomic.Uint64
	return func(data string) error {
		id := last.Add(1)
		return lanes[id%uint64(streams)].echo(id, data)
	}, nil
}
