// Package link is a model of one direction of a network link: it says when a
// packet comes out at the other end, how many copies of it, or why none.
//
// A [Shape] describes the link and a [Pipe] is one running direction of it:
//
//	p, err := link.NewPipe(link.Shape{Delay: 25 * time.Millisecond, Loss: 0.01}, 1)
//	...
//	fate := p.Send(now, packet)
//	for _, at := range fate.At[:fate.N] {
//		// deliver packet at the moment at
//	}
//
// The package has no clock, no goroutine and no operating system below it: the
// caller says what time it is, so that a simulation on a false clock and a
// forwarder of real packets use the same model. The moments are durations since
// an origin of the caller's choice.
//
// # The path of a packet
//
//	Send → BlockUDP → MTU → Queue → Rate → Burst, Loss → Delay ± Jitter → out
//	                                                  ↘ Reorder ────────↗
//
// A packet that is too large or of a blocked protocol takes no part in what
// follows. A packet that is lost has used its share of the rate, as on a wire:
// the queue stands in front of the transmitter, the loss behind it. A packet
// that is duplicated comes out twice; its copy uses no rate and has a delay of
// its own.
//
// Packets come out in the order in which they went in, except those that
// [Shape.Reorder] selects: these skip the delay. With a jitter larger than the
// gap between two packets the later one waits for the earlier one, so a dense
// flow sees a delay nearer to Delay+Jitter than to Delay.
//
// # Repeatability
//
// Whether the n-th packet of a pipe is lost, copied or reordered depends on the
// seed, on n and on the probability, on nothing else: not on when it was sent,
// not on what the other settings are. So a test with real traffic, whose moments
// differ from run to run, loses the same packets every time, turning jitter on
// does not change which packets are lost, and raising a probability selects the
// same packets and some more. What depends on moments (the queue, overtaking)
// repeats when the moments do.
//
// # Limits
//
// A fate is final: [Pipe.Set] does not call back packets that are on their way,
// and later packets stay behind them. The queue is one first-in first-out queue
// that drops at its tail: no fair queueing, no early drop, no ECN marks. There
// is no corruption of bytes: no bit of a packet is changed or even read, except
// to find out whether it is UDP.
package link
