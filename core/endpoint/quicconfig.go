package endpoint

import (
	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core/internal/quicconn"
)

// QUICConfig returns a copy of the one quic.Config of every listener, for
// programs that compare with quic-go alone or dial without core/dial. The
// figures and what they admit are in docs/architecture.md.
func QUICConfig() *quic.Config { return quicconn.Config() }
