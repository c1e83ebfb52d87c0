package call_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/coretest"
)

func TestDrainKeepsItsDeadline(t *testing.T) {
	pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
		reg := new(call.Registry)
		must(t, call.Query(reg, "test/large", func(context.Context, struct{}) (string, error) {
			return strings.Repeat("x", 300<<10), nil
		}))
		srv := &call.Server{Registry: reg}
		near, far := pair()
		served := make(chan error, 1)
		go func() { served <- srv.Handle(context.Background(), far, coretest.Auth(t, far, "x", everything...)) }()
		var st core.Stream
		for i := range 100 {
			if next, err := near.OpenStream(t.Context()); err == nil {
				st = next
			}
			send(t, st, request(fmt.Sprint(i), "test/large", "null"))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		from := time.Now()
		err := srv.Drain(ctx)
		if d := time.Since(from); d > 1200*time.Millisecond {
			t.Errorf("with a second left it took %v: %v", d, err)
		}
		near.Close(core.CodeNone, "")
		<-served
	})
}

func TestMalformedStreamsDoNotFloodTheLog(t *testing.T) {
	for name, bad := range map[string]string{"envelope": `{}`, "request": `{"type":"call.requested","id":"1","payload":{,}}`} {
		t.Run(name, func(t *testing.T) {
			near, far := coretest.Pair(call.ALPN)
			var log bytes.Buffer
			srv := mathServer(t)
			srv.Logger = slog.New(slog.NewTextHandler(&log, nil))
			served := make(chan error, 1)
			go func() { served <- srv.Handle(context.Background(), far, nil) }()
			for range 200 {
				st, err := near.OpenStream(t.Context())
				if err != nil {
					break
				}
				st.Write(rawFrame("%s", bad))
				io.Copy(io.Discard, st)
				st.Close()
			}
			near.Close(core.CodeNone, "")
			<-served
			if n := strings.Count(log.String(), "\n"); n == 0 || n > 20 {
				t.Errorf("%d lines: %.500s", n, log.String())
			}
		})
	}
}

// What a peer has begun to send and does not finish is kept up to 128 MiB.
func TestUnfinishedFramesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := visit(t, mathServer(t), transports["many streams"])
		chunk := make([]byte, 1<<20)
		kept := 0
		for range 14 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			st, err := f.conn.OpenStream(ctx)
			cancel()
			if err != nil {
				break
			}
			must(t, st.SetWriteDeadline(time.Now().Add(time.Second)))
			_, err = st.Write([]byte{1, 0, 0, 0}) // 16 MiB
			for i := 0; i < 15 && err == nil; i++ {
				_, err = st.Write(chunk)
			}
			if synctest.Wait(); err == nil {
				if _, err = st.Write([]byte(" ")); err == nil {
					kept += 15
				}
			}
		}
		if kept > 128 {
			t.Errorf("%d MiB are kept", kept)
		}
	})
}

// chaosServer has operations of all kinds that end when they are aborted.
func chaosServer(t *testing.T) *call.Server {
	var sub silentSub
	srv := sub.server(t)
	must(t, call.Query(srv.Registry, "math/add", add), call.Subscription(srv.Registry, "math/count", count),
		call.Query(srv.Registry, "test/nap", func(ctx context.Context, n int) (int, error) {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(time.Duration(n) * time.Microsecond):
				return n, nil
			}
		}))
	srv.Limits = call.Limits{InFlight: 64, Timeout: 50 * time.Millisecond, SubscriptionBytes: 8 << 10}
	return srv
}

func chaosCalls(ctx context.Context, c *call.Client, n int) {
	for range n {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond)
		switch rand.IntN(5) {
		case 0:
			c.Call(ctx, "math/add", json.RawMessage(`{"a":1,"b":2}`))
		case 1:
			c.Call(context.Background(), "test/nap", json.RawMessage(fmt.Sprint(rand.IntN(60000))))
		case 2:
			items, stop := 0, rand.IntN(300)
			for _, err := range c.Subscribe(ctx, "math/count", json.RawMessage("200")) {
				if items++; items == stop || err != nil {
					break
				}
			}
		case 3:
			for range c.Subscribe(ctx, "test/silent", nil) {
			}
		case 4:
			c.Call(ctx, "math/count", json.RawMessage("50"))
		}
		cancel()
	}
}

// However a connection ends, all that ran for it ends too.
func TestCallsBothWaysEndWithTheConnection(t *testing.T) {
	soon := func(drain func(context.Context) error) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer cancel()
		drain(ctx)
	}
	for how, end := range map[string]func(c *call.Client, near core.Connection, a, b *call.Server){
		"closed":              func(c *call.Client, _ core.Connection, _, _ *call.Server) { c.Close() },
		"lost":                func(_ *call.Client, near core.Connection, _, _ *call.Server) { near.Close(core.CodeInternal, "") },
		"the server stops":    func(_ *call.Client, _ core.Connection, a, _ *call.Server) { soon(a.Drain) },
		"the dialler drained": func(_ *call.Client, _ core.Connection, _, b *call.Server) { soon(b.Drain) },
	} {
		t.Run(how, func(t *testing.T) {
			pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
				near, far := pair()
				a, b := chaosServer(t), chaosServer(t)
				var wg sync.WaitGroup
				a.Connected = func(ctx context.Context, c *call.Client) {
					for range 4 {
						wg.Go(func() { chaosCalls(ctx, c, 20) })
					}
				}
				served := make(chan error, 1)
				go func() { served <- a.Handle(context.Background(), far, coretest.Auth(t, far, "x", everything...)) }()
				c := call.NewClient(near, call.WithServer(b, coretest.Auth(t, near, "y", everything...)), call.WithTimeout(30*time.Millisecond))
				for range 8 {
					wg.Go(func() { chaosCalls(context.Background(), c, 20) })
				}
				<-time.After(time.Duration(rand.IntN(30)) * time.Millisecond)
				end(c, near, a, b)
				<-c.Done() // a deadlock is noticed by the bubble
				<-served
				wg.Wait()
			})
		})
	}
}

func junk(r *rand.Rand) []byte {
	id := fmt.Sprint("i", r.IntN(6))
	operations := []string{"math/add", "math/count", "test/silent", "test/nap", "services/list", "no/such", ""}
	inputs := []string{`{"a":1,"b":2}`, "5", "null", `"x"`, "[]", `{}`}
	if r.IntN(3) == 0 {
		return request(id, operations[r.IntN(len(operations))], inputs[r.IntN(len(inputs))])
	}
	others := []string{
		`{"type":"call.requested","id":%q,"payload":{"input":5,"operationId":"math/count","window":%d}}`,
		`{"type":"call.credit","id":%q,"payload":{"bytes":%d}}`,
		`{"type":"call.aborted","id":%q,"payload":{"n":%d}}`,
		`{"type":"call.responded","id":%q,"payload":{"output":%d}}`,
		`{"type":"call.completed","id":%q,"payload":[null,%d]}`,
		`{"type":"call.error","id":%q,"payload":[%d]}`,
		`{"payload":{"operationId":"math/count","input":3,"auth_token":7,"forwarded_for":[]},"type":"call.requested","id":%q,"n":%d}`,
		`{"type":"call.what","id":%q,"payload":{"n":%d}}`,
		`{"type":"call.requested","id":%q,"payload":%d}`,
		`{"type":"call.requested","id":%q,"payload":{,%d}}`,
	}
	n := len(others)
	if r.IntN(20) > 0 {
		n-- // the last ends a stream
	}
	return rawFrame(others[r.IntN(n)], id, r.Int64N(1<<33)-1000)
}

func TestJunkLeavesNothing(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			pairs(t, func(t *testing.T, pair func() (core.Connection, core.Connection)) {
				r := rand.New(rand.NewPCG(seed, 1))
				near, far := pair()
				srv, served := chaosServer(t), make(chan error, 1)
				srv.Connected = func(ctx context.Context, c *call.Client) { chaosCalls(ctx, c, 10) }
				go func() { served <- srv.Handle(context.Background(), far, coretest.Auth(t, far, "x", everything...)) }()
				var streams []core.Stream
				for range 400 {
					if len(streams) == 0 || r.IntN(30) == 0 {
						ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
						if st, err := near.OpenStream(ctx); err == nil {
							streams = append(streams, st)
							if r.IntN(4) > 0 {
								go io.Copy(io.Discard, st)
							}
						}
						cancel()
						continue
					}
					st := streams[r.IntN(len(streams))]
					switch r.IntN(80) {
					case 0:
						st.CloseWrite()
					case 1:
						st.CancelRead(1)
					case 2:
						st.CancelWrite(2)
					default:
						st.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
						st.Write(junk(r))
					}
				}
				near.Close(core.CodeNone, "")
				<-served
			})
		})
	}
}
