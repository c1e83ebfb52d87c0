package alkhttp

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
)

// collector is the messages that a splitter made.
type collector struct {
	messages [][]byte
	open     *bytes.Buffer
}

func (c *collector) Write(p []byte) (int, error) { return c.open.Write(p) }

func (c *collector) Close() error {
	c.messages, c.open = append(c.messages, c.open.Bytes()), nil
	return nil
}

func (c *collector) splitter() *splitter {
	return &splitter{
		whole: func(m []byte) error { c.messages = append(c.messages, bytes.Clone(m)); return nil },
		begin: func() (io.WriteCloser, error) { c.open = new(bytes.Buffer); return c, nil },
	}
}

// FuzzSplitter: the messages depend on the bytes, not on the writes, and put
// together with their lengths they are the stream again.
func FuzzSplitter(f *testing.F) {
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var all, parts collector
		n, err := all.splitter().Write(stream)
		var m int
		var errParts error
		sp := parts.splitter()
		for m < len(stream) && errParts == nil {
			var k int
			k, errParts = sp.Write(stream[m:min(len(stream), m+int(size)+1)])
			m += k
		}
		if n != m || err != errParts || err == nil && n < len(stream) {
			t.Fatalf("in one write %d, %v; in many %d, %v", n, err, m, errParts)
		}
		var again []byte
		for i, message := range all.messages {
			if i >= len(parts.messages) || !bytes.Equal(message, parts.messages[i]) {
				t.Fatalf("message %d: %q in one write, other in many", i, message)
			}
			again = append(binary.BigEndian.AppendUint32(again, uint32(len(message))), message...)
		}
		if len(parts.messages) != len(all.messages) || !bytes.HasPrefix(stream, again) {
			t.Fatalf("%q became %q", stream, all.messages)
		}
	})
}

func TestReadFrame(t *testing.T) {
	for _, size := range []int{2, 1019, 1020, 1021, 100 << 10} {
		message := append(append([]byte("{"), bytes.Repeat([]byte(" "), size-2)...), '}')
		got, err := readFrame(nil, bytes.NewReader(message))
		if err != nil || int(binary.BigEndian.Uint32(got)) != size || !bytes.Equal(got[4:], message) {
			t.Errorf("%d bytes: %d, %v", size, len(got), err)
		}
	}
}
