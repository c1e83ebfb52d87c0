package alkhttp

import "time"

// Limits bounds what one connection may cost. A zero field means its default.
type Limits struct {
	MaxHeaderBytes       int           // bytes of a request's header, uncompressed; default 64 KiB. HTTP/1.1 adds 4 KiB for its buffer.
	MaxBodyBytes         int64         // bytes of a request's body unless the route says otherwise ([BodyLimit]); default 1 MiB
	MaxConcurrentStreams int           // requests in progress on one connection; default 128
	ReadHeaderTimeout    time.Duration // from the first byte to the end of a request's header on HTTP/1.1, and for the first byte of a connection; default 10 s
	IdleTimeout          time.Duration // a connection without a request in progress; default 2 min. The QUIC idle timeout may end it earlier.
	StallTimeout         time.Duration // a body or response that does not move; default 1 min
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.MaxHeaderBytes, 64<<10)
	orDefault(&l.MaxBodyBytes, 1<<20)
	orDefault(&l.MaxConcurrentStreams, 128)
	orDefault(&l.ReadHeaderTimeout, 10*time.Second)
	orDefault(&l.IdleTimeout, 2*time.Minute)
	orDefault(&l.StallTimeout, time.Minute)
	return l
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
