package dial

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

func FuzzParseTarget(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		target, err := ParseTarget(s)
		if err != nil {
			var te *TargetError
			if !errors.As(err, &te) || target != (Target{}) {
				t.Fatalf("got %+v, %T", target, err)
			}
			return
		}
		text := target.String()
		if s[0] == '-' || text[0] == '-' || (target.Host == "") != (target.Port == 0) {
			t.Fatalf("%q reads as %+v", s, target)
		}
		if again, err := ParseTarget(text); err != nil || again != target {
			t.Fatalf("%q reads as %+v, its text %q as %+v, %v", s, target, text, again, err)
		}
	})
}

func FuzzParseKnown(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := parseKnown(bytes.NewReader(b))
		if err != nil {
			var ke *KnownNodesError
			if !errors.As(err, &ke) || ke.Line < 1 {
				t.Fatalf("got %T %v", err, err)
			}
			return
		}
		again, err := parseKnown(bytes.NewReader(formatKnown(lines)))
		if err != nil || !reflect.DeepEqual(again, lines) {
			t.Fatalf("got %v, %v, want %v", again, err, lines)
		}
	})
}

// What a proxy says in answer to a request: method, login, reply, address.
func FuzzSocksReply(f *testing.F) {
	f.Fuzz(func(t *testing.T, answer []byte) {
		p := &Proxy{Addr: "p:1", Username: "u", Password: "w"}
		rw := struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(answer), io.Discard}
		if negotiate(rw, p) != nil {
			return
		}
		bound, err := request(rw, cmdConnect, hostPort{"node.example", 1})
		if err != nil {
			if err == io.EOF {
				t.Fatal("the end inside an answer passes for an end")
			}
			return
		}
		b, err := appendSocksAddr(nil, bound)
		if err != nil {
			t.Fatalf("%+v: %v", bound, err)
		}
		if again, err := readSocksAddr(bytes.NewReader(b)); err != nil || again != bound {
			t.Fatalf("got %+v, %v, want %+v", again, err, bound)
		}
	})
}

func FuzzSocksDatagram(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		data, ok := parseDatagram(b)
		if !ok {
			return
		}
		if !bytes.HasSuffix(b, data) {
			t.Fatal("the payload is not the end of the datagram")
		}
		r := bytes.NewReader(b[3:])
		if _, err := readSocksAddr(r); err != nil && !errors.Is(err, errSocksAddr) || err == nil && r.Len() != len(data) {
			t.Fatalf("stream and datagram disagree: %v, %d and %d bytes", err, r.Len(), len(data))
		}
	})
}
