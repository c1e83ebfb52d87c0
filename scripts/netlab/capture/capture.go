// Package capture writes IP packets to a pcap file, which tcpdump, tshark and
// Wireshark read:
//
//	w, err := capture.NewWriter(file)
//	...
//	err = w.WritePacket(time.Now(), packet)
//
// The format is draft-ietf-opsawg-pcap with nanoseconds and LINKTYPE_RAW: each
// record is a bare IPv4 or IPv6 packet, told apart by its first four bits. The
// package writes only, and it does not look into packets. A capture holds all
// that was said on the wire, so treat the file as a secret where that matters.
package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"
)

const (
	magicNanoseconds = 0xa1b23c4d // draft-ietf-opsawg-pcap §4
	versionMajor     = 2
	versionMinor     = 4
	linkTypeRaw      = 101

	fileHeader = 24

	// maxPacket is the snapshot length that readers accept without question.
	maxPacket = 262144
)

// Writer writes one capture. It is made by [NewWriter] and not safe for
// concurrent use.
type Writer struct {
	w   io.Writer
	buf []byte
}

// NewWriter writes the header of a capture to w. Each record is one call of
// w.Write: give it a bufio.Writer for speed, or the file itself to lose nothing
// when the process dies.
func NewWriter(w io.Writer) (*Writer, error) {
	h := make([]byte, fileHeader)
	binary.LittleEndian.PutUint32(h[0:], magicNanoseconds)
	binary.LittleEndian.PutUint16(h[4:], versionMajor)
	binary.LittleEndian.PutUint16(h[6:], versionMinor)
	binary.LittleEndian.PutUint32(h[16:], maxPacket)
	binary.LittleEndian.PutUint32(h[20:], linkTypeRaw)
	if _, err := w.Write(h); err != nil {
		return nil, fmt.Errorf("write capture header: %w", err)
	}
	return &Writer{w: w}, nil
}

// WritePacket writes one packet that was seen at the moment at, which must lie
// between 1970 and 2106. Of a packet larger than 262144 bytes only the beginning
// is written, with its real length. After an error of the underlying writer the
// capture may end in half a record.
func (w *Writer) WritePacket(at time.Time, packet []byte) error {
	if s := at.Unix(); s < 0 || s > math.MaxUint32 {
		return fmt.Errorf("write packet to capture: the year %d does not fit: want 1970 to 2106", at.Year())
	}
	kept := packet[:min(len(packet), maxPacket)]
	b := w.buf[:0]
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(at.Nanosecond()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(kept)))
	b = binary.LittleEndian.AppendUint32(b, uint32(min(len(packet), math.MaxUint32)))
	w.buf = append(b, kept...)
	if _, err := w.w.Write(w.buf); err != nil {
		return fmt.Errorf("write packet to capture: %w", err)
	}
	return nil
}
