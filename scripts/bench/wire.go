package main

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The protocol of the benches: the client's first byte says what it wants.
const (
	wantUp   = 'u' // data until the end; one byte answers
	wantDown = 'd' // eight bytes of length; that much data answers
	wantEcho = 'e' // data until the end comes back
)

const chunk = 64 << 10

// stream is what our streams and the peers' have in common.
type stream interface {
	io.ReadWriter
	CloseWrite() error
}

func serveStream(s stream) error {
	var kind [1]byte
	if _, err := io.ReadFull(s, kind[:]); err != nil {
		return err
	}
	buf := make([]byte, chunk)
	switch kind[0] {
	case wantUp:
		if _, err := io.CopyBuffer(plainWriter{io.Discard}, plainReader{s}, buf); err != nil {
			return err
		}
		s.Write(kind[:])
	case wantDown:
		var size [8]byte
		if _, err := io.ReadFull(s, size[:]); err != nil {
			return err
		}
		if err := fill(s, buf, int64(binary.BigEndian.Uint64(size[:]))); err != nil {
			return err
		}
	case wantEcho:
		if _, err := io.CopyBuffer(plainWriter{s}, plainReader{s}, buf[:256]); err != nil {
			return err
		}
	}
	return s.CloseWrite()
}

// plainReader and plainWriter hide fast paths that only one side might have.
type plainReader struct{ io.Reader }
type plainWriter struct{ io.Writer }

func fill(w io.Writer, buf []byte, n int64) error {
	for n > 0 {
		k := min(n, int64(len(buf)))
		if _, err := w.Write(buf[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func pushUp(s stream, n int64) error {
	if _, err := s.Write([]byte{wantUp}); err != nil {
		return err
	}
	if err := fill(s, make([]byte, chunk), n); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(s)
	if err != nil || len(got) != 1 {
		return fmt.Errorf("answer of %d bytes: %w", len(got), err)
	}
	return nil
}

func pullDown(s stream, n int64) error {
	if _, err := s.Write(binary.BigEndian.AppendUint64([]byte{wantDown}, uint64(n))); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	got, err := io.CopyBuffer(plainWriter{io.Discard}, plainReader{s}, make([]byte, chunk))
	if err != nil || got != n {
		return fmt.Errorf("%d of %d bytes: %w", got, n, err)
	}
	return nil
}

func echoOnce(s stream, msg []byte) error {
	if _, err := s.Write(append([]byte{wantEcho}, msg...)); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(s)
	if err != nil || len(got) != len(msg) {
		return fmt.Errorf("echo of %d bytes: %w", len(got), err)
	}
	return nil
}
