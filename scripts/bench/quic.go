package main

import (
	"slices"
	"time"
)

const bulkBytes = 256 << 20

type bulk struct{ up, plain bool }

func bulkQUIC(b bulk) func(bool) (sample, error) {
	return func(alknet bool) (sample, error) {
		addr, stop, err := server(alknet, b.plain)
		if err != nil {
			return sample{}, err
		}
		defer stop()
		c, err := dialer(alknet, b.plain, addr)()
		if err != nil {
			return sample{}, err
		}
		defer c.close()
		return timeBulk(c, b.up)
	}
}

// timeBulk moves a tenth first, so that windows and buffers have grown.
func timeBulk(c client, up bool) (sample, error) {
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
	if err := move(bulkBytes / 10); err != nil {
		return sample{}, err
	}
	w := startWatch()
	if err := move(bulkBytes); err != nil {
		return sample{}, err
	}
	wall, cpu := w.stop()
	return sample{Value: bulkBytes / 1e6 / wall.Seconds(), CPU: cpu.Seconds() / (bulkBytes / 1e9)}, nil
}

func connectQUIC(alknet bool) (sample, error) {
	const warm, n = 20, 300
	addr, stop, err := server(alknet, true)
	if err != nil {
		return sample{}, err
	}
	defer stop()
	dial := dialer(alknet, true, addr)
	once := func() error {
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
	}
	for range warm {
		if err := once(); err != nil {
			return sample{}, err
		}
	}
	w := startWatch()
	for range n {
		if err := once(); err != nil {
			return sample{}, err
		}
	}
	wall, cpu := w.stop()
	return sample{Value: n / wall.Seconds(), CPU: cpu.Seconds() / n}, nil
}

func echoQUIC(alknet bool) (sample, error) {
	const warm, n = 500, 8000
	addr, stop, err := server(alknet, true)
	if err != nil {
		return sample{}, err
	}
	defer stop()
	c, err := dialer(alknet, true, addr)()
	if err != nil {
		return sample{}, err
	}
	defer c.close()
	msg := make([]byte, 64)
	times := make([]float64, 0, n)
	var w stopwatch
	for i := range warm + n {
		if i == warm {
			w = startWatch()
		}
		began := time.Now()
		s, err := c.open()
		if err != nil {
			return sample{}, err
		}
		if err := echoOnce(s, msg); err != nil {
			return sample{}, err
		}
		if i >= warm {
			times = append(times, float64(time.Since(began).Nanoseconds())/1e3)
		}
	}
	_, cpu := w.stop()
	slices.Sort(times)
	return sample{Value: times[n/2], CPU: cpu.Seconds() / n}, nil
}
