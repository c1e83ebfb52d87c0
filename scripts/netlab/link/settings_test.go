package link_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

func TestTexts(t *testing.T) {
	duration := func() encoding.TextUnmarshaler { return new(link.Duration) }
	percent := func() encoding.TextUnmarshaler { return new(link.Percent) }
	rate := func() encoding.TextUnmarshaler { return new(link.BitRate) }
	size := func() encoding.TextUnmarshaler { return new(link.ByteSize) }
	tests := []struct {
		kind func() encoding.TextUnmarshaler
		text string
		want string // canonical; "": refused
	}{
		{duration, "25ms", "25ms"},
		{duration, "1.5s", "1.5s"},
		{duration, "0", "0s"},
		{duration, "-1ms", ""},
		{duration, "25", ""},
		{duration, "", ""},
		{percent, "1%", "1%"},
		{percent, "100%", "100%"},
		{percent, "0%", "0%"},
		{percent, "7%", "7%"},
		{percent, "0.25 %", "0.25%"},
		{percent, "33.300%", "33.3%"},
		{percent, "0.000001%", "0.000001%"},
		{percent, "100.1%", ""},
		{percent, "-1%", ""},
		{percent, "1", ""},
		{percent, "0.5", ""},
		{percent, "%", ""},
		{percent, ".5%", ""},
		{percent, "1e1%", ""},
		{percent, "NaN%", ""},
		{percent, "1%%", ""},
		{rate, "10mbit", "10mbit"},
		{rate, "10 Mbit/s", "10mbit"},
		{rate, "1.5mbit", "1500kbit"},
		{rate, "9600bit", "9600bit"},
		{rate, "1000kbit", "1mbit"},
		{rate, "unlimited", "unlimited"},
		{rate, "0bit", ""},
		{rate, "10", ""},
		{rate, "10mbps", ""},
		{rate, "1.0001kbit", ""},
		{rate, "99999999999999gbit", ""},
		{rate, "unlimited/s", ""},
		{size, "64kB", "64kB"},
		{size, "64KiB", "64KiB"},
		{size, "1.5KiB", "1536B"},
		{size, "1.5kB", "1500B"},
		{size, "1GiB", "1GiB"},
		{size, "0B", "0B"},
		{size, "2GB", ""},
		{size, "64kb", ""},
		{size, "64", ""},
		{size, "0.1KiB", ""},
		{size, "-1B", ""},
		{size, "0xFFB", ""},
		{size, "B", ""},
		{size, "9223372036854775807.9B", ""},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			v := tt.kind()
			err := v.UnmarshalText([]byte(tt.text))
			if tt.want == "" {
				if refused := new(link.RangeError); !errors.As(err, &refused) || refused.Allowed == "" {
					t.Fatalf("%q: error %v, value %v; want a RangeError", tt.text, err, v)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := v.(encoding.TextMarshaler).MarshalText()
			if err != nil || string(text) != tt.want {
				t.Errorf("%q: got %q, %v; want %q", tt.text, text, err, tt.want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	const text = `{
		"delay": "25ms", "jitter": "5ms", "loss": "1%", "burst": {"enter": "0.1%", "leave": "20%", "loss": "90%"},
		"rate": "10mbit", "queue": "64kB", "reorder": "2%", "duplicate": "3%", "mtu": 1280, "blockudp": true
	}`
	var s link.Settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	want := link.Shape{
		Delay: 25 * ms, Jitter: 5 * ms, Loss: 0.01, Burst: link.Burst{Enter: 0.001, Leave: 0.2, Loss: 0.9},
		Rate: 10_000_000, Queue: 64_000, Reorder: 0.02, Duplicate: 0.03, MTU: 1280, BlockUDP: true,
	}
	got, err := s.Shape()
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	if want.Settings() != s {
		t.Errorf("back: %+v, want %+v", want.Settings(), s)
	}

	if err := json.Unmarshal([]byte(`{"loss": "5%"}`), &s); err != nil {
		t.Fatal(err)
	}
	want.Loss = 0.05
	if got, err := s.Shape(); err != nil || got != want {
		t.Errorf("after a change of loss: %+v, %v", got, err)
	}

	refused := new(link.RangeError)
	s.Jitter = link.Shape{Jitter: time.Second}.Settings().Jitter
	if got, err := s.Shape(); !errors.As(err, &refused) || refused.Field != "Jitter" || got != (link.Shape{}) {
		t.Errorf("jitter above delay: %+v, %v", got, err)
	}
}
