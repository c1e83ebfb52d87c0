package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

// Ours, with schemas that are enforced on both ends of each handler unless the name
// says otherwise.
var (
	callQUIC  = rpc{"call", serveCall, dialCall(dial.OnlyQUIC, rawEcho("bench/echo"))}
	callTCP   = rpc{"call-tcp", serveCall, dialCall(dial.OnlyTCP, rawEcho("bench/echo"))}
	openQUIC  = rpc{"call-open", serveCall, dialCall(dial.OnlyQUIC, rawEcho("bench/open"))}
	typedQUIC = rpc{"call-typed", serveCall, dialCall(dial.OnlyQUIC, typedEcho)}
)

type message struct {
	Data string `json:"data"`
}

type order struct {
	Items int `json:"items"` // 0 is one item, and then nothing until the end
	Size  int `json:"size"`
}

const (
	messageSchema = `{"type":"object","properties":{"data":{"type":"string"}},"required":["data"],"additionalProperties":false}`
	orderSchema   = `{"type":"object","properties":{"items":{"type":"integer","minimum":0},"size":{"type":"integer","minimum":0}},` +
		`"required":["items","size"],"additionalProperties":false}`
)

func serveCall(listen string) (string, func(), error) {
	reg := new(call.Registry)
	echo := func(_ context.Context, in json.RawMessage) (json.RawMessage, error) { return in, nil }
	everybody := call.Access{Public: true}
	err := errors.Join(
		reg.Register(call.Operation{Handle: echo, Borrows: true, Spec: call.Spec{Name: "bench/echo", Type: call.TypeQuery, Access: everybody,
			Input: json.RawMessage(messageSchema), Output: json.RawMessage(messageSchema)}}),
		reg.Register(call.Operation{Handle: echo, Borrows: true, Spec: call.Spec{Name: "bench/open", Type: call.TypeQuery, Access: everybody}}),
		call.Query(reg, "bench/typed", func(_ context.Context, in message) (message, error) { return in, nil }, call.Public()),
		reg.Register(call.Operation{Stream: sendItems, Spec: call.Spec{Name: "bench/items", Type: call.TypeSubscription, Access: everybody,
			Input: json.RawMessage(orderSchema), Output: json.RawMessage(messageSchema)}}),
	)
	if err != nil {
		return "", nil, err
	}
	return serveProtocol(listen, false, &call.Server{Registry: reg})
}

func sendItems(ctx context.Context, in json.RawMessage) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		var o order
		if err := json.Unmarshal(in, &o); err != nil {
			yield(nil, err)
			return
		}
		item := quoted(text(o.Size))
		for range max(1, o.Items) {
			if !yield(item, nil) {
				return
			}
		}
		if o.Items == 0 {
			<-ctx.Done()
		}
	}
}

// quoted is a message of letters.
func quoted(data string) json.RawMessage {
	return append(append(append(make([]byte, 0, len(data)+len(`{"data":""}`)), `{"data":"`...), data...), `"}`...)
}

func rawEcho(operation string) func(*call.Client) func(string) error {
	return func(c *call.Client) func(string) error {
		return func(data string) error {
			in := quoted(data)
			return c.Lend(context.Background(), operation, in, func(out json.RawMessage) error {
				return sameLength(len(out), len(in))
			})
		}
	}
}

func typedEcho(c *call.Client) func(string) error {
	return func(data string) error {
		out, err := call.Call[message](context.Background(), c, "bench/typed", message{data})
		if err != nil {
			return err
		}
		return sameLength(len(out.Data), len(data))
	}
}

func dialCall(via dial.Via, echo func(*call.Client) func(string) error) func(addr string) (rpcClient, error) {
	return func(addr string) (rpcClient, error) {
		conn, err := connector(addr, call.ALPN, false, via)()
		if err != nil {
			return rpcClient{}, err
		}
		return callClient(conn, echo), nil
	}
}

func callClient(conn core.Connection, echo func(*call.Client) func(string) error) rpcClient {
	c := call.NewClient(conn)
	return rpcClient{
		echo:  echo(c),
		items: func(n, size int) error { return takeItems(c, n, size) },
		hold:  func() (<-chan error, func()) { return holdCall(c) },
		close: func() { c.Close(); <-c.Done() },
	}
}

func takeItems(c *call.Client, n, size int) error {
	got := 0
	for item, err := range c.LendEach(context.Background(), "bench/items", fmt.Appendf(nil, `{"items":%d,"size":%d}`, n, size)) {
		if err != nil {
			return err
		}
		if err := sameLength(len(item), size+len(`{"data":""}`)); err != nil {
			return err
		}
		got++
	}
	return sameLength(got, n)
}

func holdCall(c *call.Client) (<-chan error, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		for _, err := range c.Subscribe(ctx, "bench/items", json.RawMessage(`{"items":0,"size":1}`)) {
			select {
			case ready <- err:
			default: // the end
			}
		}
	}()
	return ready, func() { cancel(); <-done }
}
