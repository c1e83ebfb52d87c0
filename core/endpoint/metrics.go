package endpoint

import "time"

// Metrics counts what an Endpoint does. Methods are called concurrently and
// must not block. transport is "quic" or "tcp"; alpn is a registered name, so
// that both are fit for labels.
type Metrics interface {
	// HandshakeFailed counts connections that ended before they were served.
	// reason is "timeout", "protocol" (no common ALPN), "limit" or "tls".
	HandshakeFailed(transport, reason string)
	// ConnectionOpened and ConnectionClosed surround a handler's work. d is the
	// time between them.
	ConnectionOpened(transport, alpn string)
	ConnectionClosed(transport, alpn string, d time.Duration)
}

type noMetrics struct{}

func (noMetrics) HandshakeFailed(string, string)                 {}
func (noMetrics) ConnectionOpened(string, string)                {}
func (noMetrics) ConnectionClosed(string, string, time.Duration) {}

func (e *Endpoint) metrics() Metrics {
	if e.Metrics == nil {
		return noMetrics{}
	}
	return e.Metrics
}
