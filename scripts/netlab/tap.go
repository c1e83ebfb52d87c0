package netlab

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/capture"
)

// Capture writes what passes the devices of the hosts, of those that exist and
// of those that will, to one file a host, named after it with the ending .pcap.
// It makes the folder where it is missing and replaces files of these names. The
// files are complete when the lab is closed, which reports errors of writing.
func (lab *Lab) Capture(dir string) error {
	lab.helper()
	lab.mu.Lock()
	defer lab.mu.Unlock()
	if lab.closed {
		return lab.fault(ErrClosed)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return lab.fault(fmt.Errorf("capture: %w", err))
	}
	lab.capture = dir
	for _, h := range lab.hosts {
		if err := h.startCapture(); err != nil {
			return lab.fault(err)
		}
	}
	return nil
}

// startCapture opens the capture of a host, where there is to be one. The caller
// holds lab.mu.
func (h *Host) startCapture() error {
	if h.lab.capture == "" || h.tap.Load() != nil {
		return nil
	}
	f, err := os.Create(filepath.Join(h.lab.capture, h.name+".pcap"))
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	b := bufio.NewWriterSize(f, 1<<16)
	w, err := capture.NewWriter(b)
	if err != nil {
		f.Close()
		return err
	}
	h.tap.Store(&tap{file: f, buffer: b, writer: w})
	return nil
}

// tap writes the packets of a host to a file. A nil tap writes nothing.
type tap struct {
	mu     sync.Mutex
	file   *os.File
	buffer *bufio.Writer
	writer *capture.Writer
	err    error
}

func (t *tap) packet(data []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = t.writer.WritePacket(time.Now(), data)
	}
}

func (t *tap) close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.err, t.buffer.Flush(), t.file.Close())
}
