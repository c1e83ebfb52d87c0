package main

import (
	"time"

	"github.com/alkdev/alknet/scripts/bench/harness"
)

const bulkBytes = 256 << 20

// bulkQUIC moves a tenth first, so that windows and buffers have grown.
func bulkQUIC(e end, up bool) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		c, stop, err := e.connected()
		if err != nil {
			return harness.Sample{}, err
		}
		defer stop()
		move := func(n int64) error {
			s, err := c.open()
			if err != nil {
				return err
			}
			if up {
				return pushUp(s, n)
			}
			return pullDown(s, n)
		}
		if err := move(int64(r.Scale(bulkBytes / 10))); err != nil {
			return harness.Sample{}, err
		}
		return r.Throughput(bulkBytes, move)
	}
}

func connectQUIC(e end) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		addr, stop, err := e.serve(loopback)
		if err != nil {
			return harness.Sample{}, err
		}
		defer stop()
		dial := e.dialer(addr)
		return r.Rate(20, 300, func() error {
			c, err := dial()
			if err != nil {
				return err
			}
			defer c.close()
			s, err := c.open()
			if err != nil {
				return err
			}
			return echoOnce(s, []byte("hello"))
		})
	}
}

func echoQUIC(e end) harness.Measure {
	return func(r *harness.Run) (harness.Sample, error) {
		c, stop, err := e.connected()
		if err != nil {
			return harness.Sample{}, err
		}
		defer stop()
		msg := make([]byte, 64)
		return r.Latency(time.Microsecond, 500, 8000, func() error {
			s, err := c.open()
			if err != nil {
				return err
			}
			return echoOnce(s, msg)
		})
	}
}
