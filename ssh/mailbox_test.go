package ssh

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestMailbox(t *testing.T) {
	const many = 3 * mailboxSize / 1024
	size := func(int) int { return 1024 }
	tests := []struct {
		name string
		end  func(stop func())
		slow time.Duration // of the reader, for the first value
		cuts int
	}{
		{name: "reader takes all", slow: 0},
		{name: "reader slow but in time", slow: stallLimit - time.Second},
		{name: "reader stalls", slow: stallLimit + time.Second, cuts: 1},
		{name: "hard stop", slow: stallLimit - time.Second, cuts: 1, end: func(stop func()) { stop() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				in, cuts := make(chan int), 0
				out := mailbox(ctx, in, size, func() { cuts++ })
				var got []int
				read := make(chan struct{})
				go func() {
					defer close(read)
					got = append(got, <-out)
					time.Sleep(tt.slow)
					for v := range out {
						got = append(got, v)
					}
				}()
				go func() {
					for i := range many {
						in <- i
					}
					close(in)
				}()
				synctest.Wait()
				if tt.end != nil {
					tt.end(stop)
				}
				<-read
				for i, v := range got {
					if v != i {
						t.Fatalf("value %d is %d", i, v)
					}
				}
				if cuts != tt.cuts || (cuts == 0) != (len(got) == many) {
					t.Errorf("%d of %d values, cut %d times", len(got), many, cuts)
				}
			})
		})
	}
}
