package alkhttp_test

import (
	"io"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

func varint(t *testing.T, r io.ByteReader) uint64 {
	t.Helper()
	v, err := quicvarint.Read(r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// frame is an HTTP/3 frame (RFC 9114, section 7.1).
func frame(typ uint64, payload []byte) []byte {
	b := quicvarint.Append(nil, typ)
	b = quicvarint.Append(b, uint64(len(payload)))
	return append(b, payload...)
}

const (
	frameData    = 0x0
	frameHeaders = 0x1
)

// fields is a field section of static QPACK entries (RFC 9204, appendix A):
// the method's index, https, a path of "/" or a literal one, localhost, and
// more encoded lines.
func fields(method byte, path string, more ...byte) []byte {
	b := []byte{0, 0, 0xc0 | method, 0xc0 | 23}
	b = append(append(b, 0x51, byte(len(path))), path...)
	b = append(append(b, 0x50, 9), "localhost"...)
	return append(b, more...)
}

const (
	methodGET  = 17
	methodPOST = 20
)

// bomb is n references to an entry of the static table that stands for about
// 90 bytes each, two bytes long: content-security-policy: script-src 'none'...
func bomb(n int) []byte {
	var b []byte
	for range n {
		b = append(b, 0xff, 85-63)
	}
	return b
}

// request sends b on a new stream.
func request(t *testing.T, qc *quic.Conn, b ...[]byte) *quic.Stream {
	t.Helper()
	str, err := qc.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b {
		str.Write(p)
	}
	return str
}

// settings opens the client's control stream.
func settings(t *testing.T, qc *quic.Conn) {
	t.Helper()
	str, err := qc.OpenUniStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	str.Write(append([]byte{0}, frame(4, nil)...))
}
