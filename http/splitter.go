package alkhttp

import (
	"encoding/binary"
	"errors"
	"io"
)

var errFrameLength = errors.New("a frame has 1 byte to 64 MiB")

// A splitter takes a stream of frames, each a length in four bytes and a body
// (docs/wire/call.md, section 2.1), and makes a message of each body. It keeps
// nothing of a body: one that comes in pieces becomes a message in fragments.
type splitter struct {
	whole func(message []byte) error
	begin func() (io.WriteCloser, error)

	prefix [4]byte
	have   int            // bytes of prefix
	left   int            // bytes of the body to come
	part   io.WriteCloser // the message begun
}

// Write may be called with any part of the stream. After an error it must not
// be called again.
func (s *splitter) Write(p []byte) (int, error) {
	all := len(p)
	for len(p) > 0 {
		if s.have < len(s.prefix) {
			n := copy(s.prefix[s.have:], p)
			s.have, p = s.have+n, p[n:]
			if s.have < len(s.prefix) {
				break
			}
			length := binary.BigEndian.Uint32(s.prefix[:])
			if length == 0 || length > maxMessage {
				return all - len(p), errFrameLength
			}
			s.left = int(length)
			continue
		}
		body := p[:min(len(p), s.left)]
		if err := s.body(body); err != nil {
			return all - len(p), err
		}
		p = p[len(body):]
	}
	return all, nil
}

func (s *splitter) body(b []byte) error {
	s.left -= len(b)
	if s.left == 0 {
		s.have = 0
	}
	if s.part == nil && s.left == 0 {
		return s.whole(b)
	}
	if s.part == nil {
		part, err := s.begin()
		if err != nil {
			return err
		}
		s.part = part
	}
	if _, err := s.part.Write(b); err != nil || s.left > 0 {
		return err
	}
	part := s.part
	s.part = nil
	return part.Close()
}

// complete reports whether so many bytes end a frame, and nothing more.
func (s *splitter) complete(p []byte) bool {
	return s.have == 0 && len(p) >= 4 && uint64(len(p)) == 4+uint64(binary.BigEndian.Uint32(p))
}
