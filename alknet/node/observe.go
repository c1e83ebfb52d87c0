package node

import (
	"time"

	"github.com/alkdev/alknet/alknet/internal/metrics"
	"github.com/alkdev/alknet/core/endpoint"
)

// observer counts what the endpoint reports.
type observer struct{ *metrics.Registry }

var _ endpoint.Metrics = observer{}

func (o observer) HandshakeFailed(transport, reason string) {
	o.Add("alknet_handshakes_failed_total", "Connections that ended before they were served.", 1,
		"transport", transport, "reason", reason)
}

func (o observer) ConnectionOpened(transport, alpn string) {
	o.Add("alknet_connections_total", "Connections served.", 1, "transport", transport, "alpn", alpn)
	o.Gauge("alknet_connections", "Connections being served.", 1, "transport", transport, "alpn", alpn)
}

func (o observer) ConnectionClosed(transport, alpn string, d time.Duration) {
	o.Gauge("alknet_connections", "Connections being served.", -1, "transport", transport, "alpn", alpn)
	o.Add("alknet_connection_seconds_total", "Time that connections were served.", d.Seconds(),
		"transport", transport, "alpn", alpn)
}
