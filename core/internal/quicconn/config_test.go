package quicconn_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/core/internal/quicconn"
)

// The figures of docs/architecture.md and docs/wire/core.md are those of the code.
func TestTransportFiguresMatchTheDocuments(t *testing.T) {
	c, dial := quicconn.Config(), quicconn.DialConfig()
	for file, rows := range map[string][]string{
		"architecture.md": {
			fmt.Sprintf("| idle timeout | %d min |", c.MaxIdleTimeout/time.Minute),
			fmt.Sprintf("| keep-alive | %d s, dialling side only |", dial.KeepAlivePeriod/time.Second),
			fmt.Sprintf("| bidirectional streams | %d open", c.MaxIncomingStreams),
			fmt.Sprintf("| unidirectional streams | %d, HTTP/3 only |", c.MaxIncomingUniStreams),
			fmt.Sprintf("| stream window | %d KiB, up to %d MiB |", c.InitialStreamReceiveWindow>>10, c.MaxStreamReceiveWindow>>20),
			fmt.Sprintf("| connection window | %d KiB, up to %d MiB |", c.InitialConnectionReceiveWindow>>10, c.MaxConnectionReceiveWindow>>20),
		},
		"wire/core.md": {
			fmt.Sprintf("| max_idle_timeout | %d s |", c.MaxIdleTimeout/time.Second),
			fmt.Sprintf("| initial_max_data | %d KiB, growing to %d MiB", c.InitialConnectionReceiveWindow>>10, c.MaxConnectionReceiveWindow>>20),
			fmt.Sprintf("| initial_max_stream_data (all three) | %d KiB, growing to %d MiB", c.InitialStreamReceiveWindow>>10, c.MaxStreamReceiveWindow>>20),
			fmt.Sprintf("| initial_max_streams_bidi | %d open", c.MaxIncomingStreams),
			fmt.Sprintf("| initial_max_streams_uni | %d;", c.MaxIncomingUniStreams),
			fmt.Sprintf("every %d seconds", dial.KeepAlivePeriod/time.Second),
		},
	} {
		text, err := os.ReadFile("../../../docs/" + file)
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("docs are not part of this module")
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if !strings.Contains(string(text), row) {
				t.Errorf("docs/%s lacks %q", file, row)
			}
		}
	}
	if c.KeepAlivePeriod != 0 || c.Allow0RTT || !c.EnableStreamResetPartialDelivery || dial.MaxIncomingUniStreams >= 0 {
		t.Errorf("got %+v", c)
	}
	if c.MaxIdleTimeout <= 90*time.Second {
		t.Error("a client stopped for 90 s would lose its connection")
	}
}
