package quicconn

import (
	"time"

	"github.com/quic-go/quic-go"
)

// The transport figures of a node. docs/architecture.md gives the reasons and
// the memory that they admit; a test holds the two together.
const (
	// IdleTimeout lets a peer that was stopped, or whose machine slept, for a
	// minute and a half find its connection again.
	IdleTimeout = 3 * time.Minute
	// KeepAlivePeriod is below the 30 s after which NATs commonly forget a UDP
	// flow. Only the dialling side sends keep-alives.
	KeepAlivePeriod = 25 * time.Second

	// PacketSize is the UDP payload that every path for QUIC carries (RFC 9000,
	// section 14.1). quic-go would begin with 1280 bytes, which tunnels with an
	// MTU of 1280 swallow; its search finds what more the path takes.
	PacketSize = 1200

	MaxStreams    = 128 // bidirectional, open at a time, for each side
	MaxUniStreams = 32  // only HTTP/3 may use them

	InitialStreamWindow     = 512 << 10
	MaxStreamWindow         = 8 << 20
	InitialConnectionWindow = 768 << 10
	MaxConnectionWindow     = 16 << 20
)

// Config is the one quic.Config of a listener: a fresh value each call. It
// knows nothing of protocols, because QUIC settles it before ALPN is known.
func Config() *quic.Config {
	return &quic.Config{
		MaxIdleTimeout:                   IdleTimeout,
		InitialPacketSize:                PacketSize,
		MaxIncomingStreams:               MaxStreams,
		MaxIncomingUniStreams:            MaxUniStreams,
		InitialStreamReceiveWindow:       InitialStreamWindow,
		MaxStreamReceiveWindow:           MaxStreamWindow,
		InitialConnectionReceiveWindow:   InitialConnectionWindow,
		MaxConnectionReceiveWindow:       MaxConnectionWindow,
		EnableDatagrams:                  true,
		EnableStreamResetPartialDelivery: true,
		Allow0RTT:                        false,
	}
}

// DialConfig is Config for the dialling side of a node protocol: it keeps the
// connection alive and admits no unidirectional streams.
func DialConfig() *quic.Config {
	c := Config()
	c.KeepAlivePeriod = KeepAlivePeriod
	c.MaxIncomingUniStreams = -1
	return c
}
