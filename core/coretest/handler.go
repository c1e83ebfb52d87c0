package coretest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alkdev/alknet/core"
)

// TestHandler checks what every handler owes its node, whatever its protocol:
// it ends with its connection and with the node, survives nonsense, serves
// connections beside each other and answers Drain. newHandler returns a new handler
// for each test; its peers are nobody.
func TestHandler(t *testing.T, newHandler func(t *testing.T) core.ProtocolHandler) {
	transports := []struct {
		name string
		pair func(alpn string, opts ...Option) (client, server core.Connection)
	}{{"streams", Pair}, {"single stream", StreamPair}}
	tests := []struct {
		name string
		run  func(h *handlerHarness)
	}{
		{"its protocol names are usable and constant", handlerNames},
		{"a peer that says nothing leaves", handlerSilentPeer},
		{"a peer talks nonsense", handlerNonsense},
		{"a peer leaves in the middle", handlerPeerGone},
		{"the node stops hard", handlerHardStop},
		{"the node drains", handlerDrain},
	}
	for _, tr := range transports {
		for _, test := range tests {
			t.Run(tr.name+"/"+test.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				h := &handlerHarness{T: t, ctx: ctx, handler: newHandler(t), pair: tr.pair}
				h.router.Linger = time.Millisecond
				if err := h.router.Register(h.handler); err != nil {
					t.Fatal(err)
				}
				test.run(h)
			})
		}
	}
}

type handlerHarness struct {
	*testing.T
	ctx     context.Context
	handler core.ProtocolHandler
	pair    func(alpn string, opts ...Option) (client, server core.Connection)
	router  core.Router
}

// serve starts the handler on a new connection.
func (h *handlerHarness) serve(ctx context.Context) (client core.Connection, served <-chan error) {
	client, server := h.pair(h.handler.ALPNs()[0])
	return client, async(func() error { return h.router.Dispatch(ctx, server, nil) })
}

func (h *handlerHarness) returns(why string, served <-chan error) {
	h.Helper()
	select {
	case err := <-served:
		var he *core.HandlerError
		if errors.As(err, &he) && he.Err != nil && strings.HasPrefix(he.Err.Error(), "panic: ") {
			h.Error("the handler panicked: ", he.Err)
		}
	case <-h.ctx.Done():
		h.Fatal("Handle does not return ", why)
	}
}

func handlerNames(h *handlerHarness) {
	if a, b := h.handler.ALPNs(), h.handler.ALPNs(); !slices.Equal(a, b) {
		h.Errorf("ALPNs: %q, then %q", a, b)
	}
}

func handlerSilentPeer(h *handlerHarness) {
	stays, other := h.serve(h.ctx)
	client, served := h.serve(h.ctx)
	client.Close(core.CodeNone, "")
	h.returns("when a silent peer has left", served)
	stays.Close(core.CodeNone, "")
	h.returns("when the other peer has left too", other)
}

// talk writes on a new stream and reads what comes, as long as the handler
// wants.
func (h *handlerHarness) talk(client core.Connection, text string) <-chan error {
	return async(func() error {
		s, err := client.OpenStream(h.ctx)
		if err != nil {
			return err
		}
		go io.Copy(io.Discard, s)
		io.WriteString(s, text)
		return s.CloseWrite()
	})
}

func handlerNonsense(h *handlerHarness) {
	for _, text := range []string{"", "\x00", "\xff\xff\xff\xff\xff\xff\xff\xff", "\r\n\r\n", strings.Repeat("A", 200_000)} {
		client, served := h.serve(h.ctx)
		// A handler need not take it all.
		give := time.AfterFunc(moment, func() { client.Close(core.CodeNone, "") })
		<-h.talk(client, text)
		give.Stop()
		client.Close(core.CodeNone, "")
		h.returns("after nonsense", served)
	}
}

func handlerPeerGone(h *handlerHarness) {
	client, served := h.serve(h.ctx)
	s, err := client.OpenStream(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	s.Write([]byte{0})
	s.CancelRead(1)
	s.CancelWrite(1)
	client.Close(core.CodeInternal, "gone")
	h.returns("when the peer has gone", served)
}

func handlerHardStop(h *handlerHarness) {
	ctx, stop := context.WithCancel(h.ctx)
	client, served := h.serve(ctx)
	s, err := client.OpenStream(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	s.Write([]byte{0})
	stop()
	h.returns("at the hard stop", served)
	client.Close(core.CodeNone, "")
}

func handlerDrain(h *handlerHarness) {
	d, ok := h.handler.(core.Drainer)
	if !ok {
		h.Skip("the handler is no core.Drainer")
	}
	client, served := h.serve(h.ctx)
	ctx, cancel := context.WithTimeout(h.ctx, moment)
	defer cancel()
	// An error is right: the peer has not left.
	drained := async(func() error { return d.Drain(ctx) })
	select {
	case <-drained:
	case <-h.ctx.Done():
		h.Fatal("Drain does not return when its context has ended")
	}
	client.Close(core.CodeNone, "")
	h.returns("after Drain", served)
}
