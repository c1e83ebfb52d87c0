package link_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/alkdev/alknet/scripts/netlab/link"
)

func TestValidate(t *testing.T) {
	tests := []struct {
		name  string
		shape link.Shape
		field string // "": valid
	}{
		{"zero", link.Shape{}, ""},
		{"everything", link.Shape{
			Delay: time.Hour, Jitter: time.Hour, Loss: 1, Burst: link.Burst{Enter: 1, Leave: 1, Loss: 1}, Rate: 1e12,
			Queue: 1 << 30, Reorder: 1, Duplicate: 1, MTU: 65535, BlockUDP: true,
		}, ""},
		{"least", link.Shape{Rate: 1000, Queue: 1, MTU: 68}, ""},
		{"negative delay", link.Shape{Delay: -1}, "Delay"},
		{"endless delay", link.Shape{Delay: time.Hour + 1}, "Delay"},
		{"negative jitter", link.Shape{Delay: ms, Jitter: -1}, "Jitter"},
		{"jitter above delay", link.Shape{Delay: ms, Jitter: ms + 1}, "Jitter"},
		{"negative loss", link.Shape{Loss: -0.1}, "Loss"},
		{"loss in percent", link.Shape{Loss: 5}, "Loss"},
		{"loss is no number", link.Shape{Loss: math.NaN()}, "Loss"},
		{"burst enter", link.Shape{Burst: link.Burst{Enter: 2, Leave: 1}}, "Burst.Enter"},
		{"burst without enter", link.Shape{Burst: link.Burst{Leave: 1}}, "Burst.Enter"},
		{"burst leave", link.Shape{Burst: link.Burst{Enter: 0.1, Leave: math.Inf(1)}}, "Burst.Leave"},
		{"burst without leave", link.Shape{Burst: link.Burst{Enter: 0.1}}, "Burst.Leave"},
		{"burst loss", link.Shape{Burst: link.Burst{Enter: 0.1, Leave: 0.1, Loss: 1.1}}, "Burst.Loss"},
		{"rate negative", link.Shape{Rate: -1}, "Rate"},
		{"rate too low", link.Shape{Rate: 999}, "Rate"},
		{"rate too high", link.Shape{Rate: 1e12 + 1}, "Rate"},
		{"queue negative", link.Shape{Rate: 1000, Queue: -1}, "Queue"},
		{"queue too long", link.Shape{Rate: 1000, Queue: 1<<30 + 1}, "Queue"},
		{"queue without rate", link.Shape{Queue: 1000}, "Queue"},
		{"reorder", link.Shape{Delay: ms, Reorder: 1.5}, "Reorder"},
		{"reorder without delay", link.Shape{Reorder: 0.5}, "Reorder"},
		{"duplicate", link.Shape{Duplicate: -1}, "Duplicate"},
		{"mtu too small", link.Shape{MTU: 67}, "MTU"},
		{"mtu too large", link.Shape{MTU: 65536}, "MTU"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.shape.Validate()
			var refused *link.RangeError
			switch {
			case tt.field == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.field != "" && (!errors.As(err, &refused) || refused.Field != tt.field || refused.Value == "" || refused.Allowed == ""):
				t.Errorf("got %#v, want a RangeError for %s", err, tt.field)
			}
			if _, made := link.NewPipe(tt.shape, 1); (made == nil) != (err == nil) {
				t.Errorf("NewPipe says %v, Validate %v", made, err)
			}
		})
	}
}

func TestStrings(t *testing.T) {
	s := link.Shape{
		Delay: 25 * ms, Jitter: 5 * ms, Loss: 0.01, Burst: link.Burst{Enter: 0.001, Leave: 0.2}, Rate: 1_500_000,
		Queue: 64_000, Reorder: 0.07, Duplicate: 0.0001, MTU: 1280, BlockUDP: true,
	}
	want := "delay 25ms ± 5ms, loss 1%, bursts enter 0.1% leave 20% loss 100%, rate 1500kbit, queue 64kB, reorder 7%, duplicate 0.01%, mtu 1280, no udp"
	if s.String() != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	if got := (link.Shape{}).String(); got != "perfect" {
		t.Errorf("zero shape: %q", got)
	}
	seen := map[string]bool{}
	for c := link.Delivered; c <= link.UDPBlocked; c++ {
		seen[c.String()] = true
	}
	if len(seen) != 6 || seen[link.Cause(99).String()] {
		t.Errorf("causes: %v", seen)
	}
}
