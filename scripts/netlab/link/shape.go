package link

import (
	"fmt"
	"strconv"
	"time"
)

// Shape describes one direction of a link. The zero value is a perfect link:
// every packet comes out at once.
type Shape struct {
	// Delay is the one-way delay, 0 to 1 h.
	Delay time.Duration
	// Jitter varies the delay of each packet, uniformly within [Delay-Jitter,
	// Delay+Jitter]. It is at most Delay. Packets stay in order nevertheless.
	Jitter time.Duration
	// Loss is the probability, 0 to 1, that a packet is lost, independent of
	// all others. A link with a Loss of 1 is cut.
	Loss float64
	// Burst loses packets in bursts, in addition to Loss.
	Burst Burst
	// Rate is the speed in bits per second, counted in whole IP packets, 1000
	// to 10^12. 0 is unlimited.
	Rate int64
	// Queue is how many bytes may wait for Rate, what is left of the packet in
	// transmission included, at most 1 GiB. A packet that finds less room than
	// it needs is dropped; one that finds nobody waiting is not. 0 is what the
	// link carries in 100 ms, but not less than 20 packets of the MTU, or of
	// 1500 bytes where there is no MTU. Without Rate nothing waits.
	Queue int
	// Reorder is the probability, 0 to 1, that a packet skips the delay and so
	// overtakes those before it. It needs a Delay.
	Reorder float64
	// Duplicate is the probability, 0 to 1, that a packet comes out twice.
	Duplicate float64
	// MTU is the size in bytes of the largest packet that passes, 68 (RFC 791
	// §3.2) to 65535. 0 is no limit. Larger packets are dropped with the cause
	// [TooBig], which a router may answer.
	MTU int
	// BlockUDP drops every UDP packet, IPv4 or IPv6, fragments too.
	BlockUDP bool
}

// Burst is the loss model of Gilbert and Elliott: a link that is good or bad,
// where bad stretches lose packets. The zero value is never bad.
//
// A bad stretch is 1/Leave packets long on average, and the share
// Enter/(Enter+Leave) of all packets meets it.
type Burst struct {
	// Enter is the probability, 0 to 1, for each packet that a bad stretch
	// begins with it. 0 turns the model off; Leave and Loss are then 0 too.
	Enter float64
	// Leave is the probability, above 0 and at most 1, for each packet after
	// the first that the stretch has ended before it.
	Leave float64
	// Loss is the probability, 0 to 1, that a packet of a bad stretch is lost.
	// 0 stands for 1: all of them (the model of Gilbert).
	Loss float64
}

// The limits of a Shape keep every moment that a Pipe computes within the range
// of a time.Duration.
const (
	maxDelay = time.Hour
	minRate  = 1000
	maxRate  = 1_000_000_000_000
	maxQueue = 1 << 30
	minMTU   = 68
	maxMTU   = 65535
)

// RangeError says that a setting has a value which makes no sense.
type RangeError struct {
	Field   string // the name of the field, as "Burst.Enter"; empty where a text is not part of a Shape yet
	Value   string // what it was, as text
	Allowed string // what it may be
}

func (e *RangeError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s: want %s", e.Value, e.Allowed)
	}
	return fmt.Sprintf("%s is %s: want %s", e.Field, e.Value, e.Allowed)
}

// Validate returns nil or a [*RangeError] for the first field that is out of its
// range.
func (s Shape) Validate() error {
	for _, p := range []struct {
		field string
		value float64
	}{
		{"Loss", s.Loss},
		{"Burst.Enter", s.Burst.Enter},
		{"Burst.Leave", s.Burst.Leave},
		{"Burst.Loss", s.Burst.Loss},
		{"Reorder", s.Reorder},
		{"Duplicate", s.Duplicate},
	} {
		if !(p.value >= 0 && p.value <= 1) { // refuses NaN too
			return refuse(p.field, fraction(p.value), "0 to 1 (0% to 100%)")
		}
	}
	switch {
	case s.Delay < 0 || s.Delay > maxDelay:
		return refuse("Delay", s.Delay.String(), "0s to "+maxDelay.String())
	case s.Jitter < 0 || s.Jitter > s.Delay:
		return refuse("Jitter", s.Jitter.String(), "0s to the delay, "+s.Delay.String())
	case s.Rate != 0 && (s.Rate < minRate || s.Rate > maxRate):
		return refuse("Rate", strconv.FormatInt(s.Rate, 10)+" bit/s", "1 kbit/s to 1000 Gbit/s, or 0 for unlimited")
	case s.Queue < 0 || s.Queue > maxQueue:
		return refuse("Queue", strconv.Itoa(s.Queue), "0 to 1 GiB")
	case s.Queue > 0 && s.Rate == 0:
		return refuse("Queue", strconv.Itoa(s.Queue), "0 while Rate is unlimited: nothing waits")
	case s.Reorder > 0 && s.Delay == 0:
		return refuse("Reorder", fraction(s.Reorder), "0 while Delay is 0: there is nobody to overtake")
	case s.MTU != 0 && (s.MTU < minMTU || s.MTU > maxMTU):
		return refuse("MTU", strconv.Itoa(s.MTU), "68 to 65535, or 0 for no limit")
	case s.Burst.Enter > 0 && s.Burst.Leave == 0:
		return refuse("Burst.Leave", "0", "above 0, or a burst never ends")
	case s.Burst.Enter == 0 && s.Burst != Burst{}:
		return refuse("Burst.Enter", "0", "above 0 where Burst.Leave or Burst.Loss is set")
	}
	return nil
}

func refuse(field, value, allowed string) error {
	return &RangeError{Field: field, Value: value, Allowed: allowed}
}

func fraction(p float64) string { return strconv.FormatFloat(p, 'g', -1, 64) }

// queue is the room for waiting bytes.
func (s Shape) queue() int64 {
	if s.Queue > 0 {
		return int64(s.Queue)
	}
	full := int64(s.MTU)
	if full == 0 {
		full = 1500
	}
	return min(max(s.Rate/8/10, 20*full), maxQueue)
}

// lossInBurst resolves the zero value of Burst.Loss.
func (b Burst) lossInBurst() float64 {
	if b.Loss == 0 {
		return 1
	}
	return b.Loss
}
