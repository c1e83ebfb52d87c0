package capture_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/capture"
)

// TestFormat compares with bytes composed by hand from the draft.
func TestFormat(t *testing.T) {
	var out bytes.Buffer
	w, err := capture.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"\x45\x00\x01", "\x60"} {
		if err := w.WritePacket(time.Unix(0x01020304, 0x0a0b0c0d), []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Join([]string{
		"4d3cb2a1", "0200", "0400", "00000000", "00000000", "00000400", "65000000",
		"04030201", "0d0c0b0a", "03000000", "03000000", "450001",
		"04030201", "0d0c0b0a", "01000000", "01000000", "60",
	}, "")
	if got := hex.EncodeToString(out.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHugePacket(t *testing.T) {
	var out bytes.Buffer
	w, err := capture.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WritePacket(time.Unix(0, 0), make([]byte, 300_000)); err != nil {
		t.Fatal(err)
	}
	record := out.Bytes()[24:]
	kept, real := binary.LittleEndian.Uint32(record[8:]), binary.LittleEndian.Uint32(record[12:])
	if kept != 262144 || real != 300_000 || len(record) != 16+262144 {
		t.Errorf("kept %d of %d in a record of %d bytes", kept, real, len(record))
	}
}

func TestRefusals(t *testing.T) {
	w, err := capture.NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{time.Unix(-1, 0), time.Unix(1<<32, 0), {}} {
		if err := w.WritePacket(at, nil); err == nil {
			t.Errorf("%v was accepted", at)
		}
	}
	full := errors.New("disk full")
	if _, err := capture.NewWriter(failing{full}); !errors.Is(err, full) {
		t.Errorf("header: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWritePacketDoesNotAllocate(t *testing.T) {
	w, err := capture.NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	packet, at := make([]byte, 1500), time.Unix(0, 0)
	write := func() {
		if err := w.WritePacket(at, packet); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(1000, write); n != 0 {
		t.Errorf("WritePacket allocates %v times", n)
	}
}

func BenchmarkWritePacket(b *testing.B) {
	w, err := capture.NewWriter(io.Discard)
	if err != nil {
		b.Fatal(err)
	}
	packet, at := make([]byte, 1500), time.Unix(0, 0)
	b.ReportAllocs()
	b.SetBytes(int64(len(packet)))
	for b.Loop() {
		_ = w.WritePacket(at, packet)
	}
}
