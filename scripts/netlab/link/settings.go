package link

import (
	"strings"
	"time"
)

// Settings is a [Shape] in the text form of configuration files: with the keys
// below, and values such as "25ms", "1%", "10mbit" and "64kB". A TOML decoder
// fills it as it is:
//
//	delay  = "25ms"
//	jitter = "5ms"
//	loss   = "1%"
//	burst  = { enter = "0.1%", leave = "20%" }
//	rate   = "10mbit"
//	queue  = "64kB"
//
// Decoding into Settings that are not empty changes only the keys that the text
// has. The zero value is the text form of a perfect link.
type Settings struct {
	Delay     Duration      `toml:"delay"`
	Jitter    Duration      `toml:"jitter"`
	Loss      Percent       `toml:"loss"`
	Burst     BurstSettings `toml:"burst"`
	Rate      BitRate       `toml:"rate"`
	Queue     ByteSize      `toml:"queue"`
	Reorder   Percent       `toml:"reorder"`
	Duplicate Percent       `toml:"duplicate"`
	MTU       int           `toml:"mtu"`
	BlockUDP  bool          `toml:"block_udp"`
}

// BurstSettings is the text form of a [Burst].
type BurstSettings struct {
	Enter Percent `toml:"enter"`
	Leave Percent `toml:"leave"`
	Loss  Percent `toml:"loss"`
}

// Shape returns the shape that s describes, or a [*RangeError].
func (s Settings) Shape() (Shape, error) {
	shape := Shape{
		Delay:     s.Delay.value,
		Jitter:    s.Jitter.value,
		Loss:      s.Loss.value,
		Burst:     Burst{Enter: s.Burst.Enter.value, Leave: s.Burst.Leave.value, Loss: s.Burst.Loss.value},
		Rate:      s.Rate.value,
		Queue:     int(s.Queue.value),
		Reorder:   s.Reorder.value,
		Duplicate: s.Duplicate.value,
		MTU:       s.MTU,
		BlockUDP:  s.BlockUDP,
	}
	if err := shape.Validate(); err != nil {
		return Shape{}, err
	}
	return shape, nil
}

// Settings returns the text form of s.
func (s Shape) Settings() Settings {
	return Settings{
		Delay:     Duration{s.Delay},
		Jitter:    Duration{s.Jitter},
		Loss:      Percent{s.Loss},
		Burst:     BurstSettings{Enter: Percent{s.Burst.Enter}, Leave: Percent{s.Burst.Leave}, Loss: Percent{s.Burst.Loss}},
		Rate:      BitRate{s.Rate},
		Queue:     ByteSize{int64(s.Queue)},
		Reorder:   Percent{s.Reorder},
		Duplicate: Percent{s.Duplicate},
		MTU:       s.MTU,
		BlockUDP:  s.BlockUDP,
	}
}

// String describes s in one line for people: what differs from a perfect link,
// as "delay 25ms, loss 1%".
func (s Shape) String() string {
	var parts []string
	add := func(differs bool, words ...string) {
		if differs {
			parts = append(parts, strings.Join(words, " "))
		}
	}
	t := s.Settings()
	delay := t.Delay.String()
	if s.Jitter > 0 {
		delay += " ± " + t.Jitter.String()
	}
	add(s.Delay > 0, "delay", delay)
	add(s.Loss > 0, "loss", t.Loss.String())
	add(s.Burst.Enter > 0, "bursts enter", t.Burst.Enter.String(), "leave", t.Burst.Leave.String(),
		"loss", Percent{s.Burst.lossInBurst()}.String())
	add(s.Rate > 0, "rate", t.Rate.String())
	add(s.Queue > 0, "queue", t.Queue.String())
	add(s.Reorder > 0, "reorder", t.Reorder.String())
	add(s.Duplicate > 0, "duplicate", t.Duplicate.String())
	add(s.MTU > 0, "mtu", itoa(int64(s.MTU)))
	add(s.BlockUDP, "no udp")
	if len(parts) == 0 {
		return "perfect"
	}
	return strings.Join(parts, ", ")
}

// Duration is the text form of a duration: "25ms", "1.5s", as
// [time.ParseDuration] reads it, not negative.
type Duration struct{ value time.Duration }

// UnmarshalText reads a duration. Its error is a [*RangeError].
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return refuseText(text, `a duration with its unit, as "25ms" or "1.5s"`)
	}
	d.value = v
	return nil
}

func (d Duration) String() string { return d.value.String() }

// MarshalText is the inverse of UnmarshalText.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Percent is the text form of a probability: "1%", "0.25%". The sign is
// required, because 1 alone could be meant as everything or as a hundredth.
type Percent struct{ value float64 }

// UnmarshalText reads a percentage up to 100%. Its error is a [*RangeError].
func (p *Percent) UnmarshalText(text []byte) error {
	v, ok := parsePercent(string(text))
	if !ok {
		return refuseText(text, `a percentage with its sign, "0%" to "100%", as "1%" or "0.25%"`)
	}
	p.value = v
	return nil
}

func (p Percent) String() string { return formatPercent(p.value) }

// MarshalText is the inverse of UnmarshalText.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// BitRate is the text form of a rate: "512kbit", "1.5mbit", "1gbit" per second
// in powers of 1000, or "unlimited". The letters' case does not matter, and "/s"
// may follow.
type BitRate struct{ value int64 }

// UnmarshalText reads a rate. Its error is a [*RangeError].
func (r *BitRate) UnmarshalText(text []byte) error {
	lower := strings.ToLower(string(text))
	if lower == unlimited {
		r.value = 0
		return nil
	}
	v, ok := parseUnits(strings.TrimSuffix(lower, "/s"), bitUnits)
	if !ok || v == 0 {
		return refuseText(text, `bits per second with their unit, as "512kbit", "1.5mbit" or "1gbit", or "unlimited"`)
	}
	r.value = v
	return nil
}

func (r BitRate) String() string {
	if r.value == 0 {
		return unlimited
	}
	return formatUnits(r.value, bitUnits)
}

// MarshalText is the inverse of UnmarshalText.
func (r BitRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ByteSize is the text form of a number of bytes: "1500B", "64kB" and "1MB" in
// powers of 1000, "64KiB" and "1MiB" in powers of 1024.
type ByteSize struct{ value int64 }

// UnmarshalText reads a number of bytes. Its error is a [*RangeError].
func (b *ByteSize) UnmarshalText(text []byte) error {
	v, ok := parseUnits(string(text), byteUnits)
	if !ok || v > maxQueue {
		return refuseText(text, `a number of bytes with its unit up to 1GiB, as "1500B", "64kB" or "64KiB"`)
	}
	b.value = v
	return nil
}

func (b ByteSize) String() string { return formatUnits(b.value, byteUnits) }

// MarshalText is the inverse of UnmarshalText.
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
