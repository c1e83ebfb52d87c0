package dial_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/dial"
)

// socksServer is a SOCKS5 proxy that knows the name node.example.
type socksServer struct {
	user, password string // empty: no authentication
	noUDP          bool

	addr     string
	mu       sync.Mutex
	requests []string   // command and destination
	controls []net.Conn // of associations
}

func (p *socksServer) start(t *testing.T) *socksServer {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { nc.Close() })
			wg.Go(func() {
				defer stop()
				defer nc.Close()
				p.serve(nc)
			})
		}
	})
	return p
}

func (p *socksServer) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func read(r io.Reader, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return make([]byte, n)
	}
	return b
}

// readAddr returns the destination as asked for, and resolved.
func readAddr(r io.Reader) (string, netip.AddrPort) {
	var host string
	var ip netip.Addr
	switch read(r, 1)[0] {
	case 1:
		ip, _ = netip.AddrFromSlice(read(r, 4))
	case 4:
		ip, _ = netip.AddrFromSlice(read(r, 16))
	case 3:
		host = string(read(r, int(read(r, 1)[0])))
		if host == "node.example" {
			ip = netip.MustParseAddr("127.0.0.1")
		}
	}
	if host == "" {
		host = ip.String()
	}
	b := read(r, 2)
	port := uint16(b[0])<<8 | uint16(b[1])
	return net.JoinHostPort(host, strconv.Itoa(int(port))), netip.AddrPortFrom(ip, port)
}

func (p *socksServer) serve(nc net.Conn) {
	methods := read(nc, int(read(nc, 2)[1]))
	switch {
	case p.user == "" && bytes.IndexByte(methods, 0) >= 0:
		nc.Write([]byte{5, 0})
	case p.user != "" && bytes.IndexByte(methods, 2) >= 0:
		nc.Write([]byte{5, 2})
		user := string(read(nc, int(read(nc, 2)[1])))
		password := string(read(nc, int(read(nc, 1)[0])))
		if user != p.user || password != p.password {
			nc.Write([]byte{1, 1})
			return
		}
		nc.Write([]byte{1, 0})
	default:
		nc.Write([]byte{5, 0xff})
		return
	}
	cmd := read(nc, 3)[1]
	asked, dest := readAddr(nc)
	p.mu.Lock()
	p.requests = append(p.requests, fmt.Sprintf("%d %s", cmd, asked))
	p.mu.Unlock()
	switch {
	case cmd == 1:
		p.connect(nc, dest)
	case cmd == 3 && !p.noUDP:
		p.associate(nc)
	default:
		nc.Write([]byte{5, 7, 0, 1, 0, 0, 0, 0, 0, 0})
	}
}

func (p *socksServer) connect(nc net.Conn, dest netip.AddrPort) {
	out, err := net.Dial("tcp", dest.String())
	if err != nil {
		nc.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	defer out.Close()
	nc.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(out, nc)
		out.Close()
	}()
	io.Copy(nc, out)
	nc.Close()
	<-done
}

func (p *socksServer) associate(nc net.Conn) {
	relay, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return
	}
	defer relay.Close()
	port := relay.LocalAddr().(*net.UDPAddr).Port
	p.mu.Lock()
	p.controls = append(p.controls, nc)
	p.mu.Unlock()
	nc.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, byte(port >> 8), byte(port)}) // unspecified: the proxy's own
	done := make(chan struct{})
	go func() {
		defer close(done)
		var client *net.UDPAddr
		for buf := make([]byte, 65536); ; {
			n, from, err := relay.ReadFromUDP(buf)
			if err != nil {
				return
			}
			if client == nil || from.String() == client.String() {
				client = from
				r := bytes.NewReader(buf[3:n])
				_, dest := readAddr(r)
				data, _ := io.ReadAll(r)
				p.mu.Lock()
				p.requests = append(p.requests, "datagram")
				p.mu.Unlock()
				relay.WriteToUDP(data, net.UDPAddrFromAddrPort(dest))
				continue
			}
			head := append([]byte{0, 0, 0, 1}, from.IP.To4()...)
			head = append(head, byte(from.Port>>8), byte(from.Port))
			relay.WriteToUDP(append(head, buf[:n]...), client)
		}
	}()
	io.Copy(io.Discard, nc)
	relay.Close()
	<-done
}

func noLookup(t *testing.T) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		t.Error("a name was resolved here")
		return nil, errors.New("no")
	}
}

func TestProxy(t *testing.T) {
	for _, test := range transports {
		for _, host := range []string{"node.example", "127.0.0.1"} {
			t.Run(test.name+"/"+host, func(t *testing.T) {
				n := newNode(t)
				s := (&server{cert: n.cert}).start(t)
				p := (&socksServer{user: "me", password: "secret"}).start(t)
				d := newDialer(t, newNode(t))
				d.Lookup = noLookup(t)
				d.Proxy = &dial.Proxy{Addr: p.addr, Username: "me", Password: "secret"}
				target := s.named(host)
				target.ID = n.id
				conn, info := mustDial(t, d, dial.Request{Target: target, Via: test.via})
				echo(t, conn)
				if !info.Proxied || info.Transport != test.want || info.Addr.String() != target.Address() || info.RTT <= 0 {
					t.Errorf("got %+v", info)
				}
				want := "1 " + target.Address()
				if test.want == dial.QUIC {
					want = "3 0.0.0.0:0"
				}
				if got := p.seen(); len(got) == 0 || got[0] != want {
					t.Errorf("proxy saw %v, want %s", got, want)
				}
				if got := s.serverNames(); !slices.Equal(got, []string{""}) {
					t.Errorf("server names sent: %q", got)
				}
				conn.Close(core.CodeNone, "")
			})
		}
	}
}

func TestProxyWithoutUDP(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	p := (&socksServer{noUDP: true}).start(t)
	d := newDialer(t, newNode(t))
	d.Lookup = noLookup(t)
	d.Proxy = &dial.Proxy{Addr: p.addr}
	_, info := mustDial(t, d, dial.Request{Target: s.target(n.id)})
	if info.Transport != dial.TCP || !info.UDPBlocked {
		t.Errorf("got %+v", info)
	}
	err := wantError[*dial.ProxyError](t, d, dial.Request{Target: s.target(n.id), Via: dial.OnlyQUIC})
	if err.Reply != 7 || !strings.Contains(err.Error(), "command not supported") {
		t.Errorf("got %v", err)
	}
}

func TestProxyControlConnectionEnds(t *testing.T) {
	n := newNode(t)
	s := (&server{cert: n.cert}).start(t)
	p := (&socksServer{}).start(t)
	d := newDialer(t, newNode(t))
	d.Proxy = &dial.Proxy{Addr: p.addr}
	conn, _ := mustDial(t, d, dial.Request{Target: s.target(n.id), Via: dial.OnlyQUIC})
	echo(t, conn)
	p.mu.Lock()
	for _, nc := range p.controls {
		nc.Close()
	}
	p.mu.Unlock()
	select {
	case <-conn.Context().Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the connection outlived the association")
	}
}

// The node listens and would answer; nothing may reach it but by the proxy.
func TestBrokenProxyIsNeverPassed(t *testing.T) {
	dead, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deadAddr := dead.Addr().String()
	dead.Close()
	wrongUser := (&socksServer{user: "me", password: "secret"}).start(t)
	for name, proxy := range map[string]dial.Proxy{
		"down":               {Addr: deadAddr},
		"wants a password":   {Addr: wrongUser.addr},
		"wrong password":     {Addr: wrongUser.addr, Username: "me", Password: "guess"},
		"hangs up":           {Addr: speaker(t, "")},
		"other protocol":     {Addr: speaker(t, "HTTP/1.1 400 Bad Request\r\n\r\n")},
		"unasked method":     {Addr: speaker(t, "\x05\x02")},
		"refuses":            {Addr: speaker(t, "\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")},
		"bad address type":   {Addr: speaker(t, "\x05\x00\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00")},
		"cut in the address": {Addr: speaker(t, "\x05\x00\x05\x00\x00\x03\xff")},
		"no address at all":  {},
		"long password":      {Addr: wrongUser.addr, Username: "me", Password: strings.Repeat("x", 256)},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			s := (&server{cert: n.cert, swallow: true}).start(t)
			for _, host := range []string{"node.example", "127.0.0.1"} {
				target := s.named(host)
				target.ID = n.id
				for _, via := range []dial.Via{dial.Auto, dial.OnlyQUIC, dial.OnlyTCP} {
					d := newDialer(t, newNode(t))
					d.Lookup = noLookup(t)
					d.Proxy = &proxy
					err := wantError[*dial.ProxyError](t, d, dial.Request{Target: target, Via: via})
					if strings.Contains(err.Error(), "guess") || strings.Contains(err.Error(), "me:") {
						t.Errorf("tells secrets: %v", err)
					}
				}
			}
			if got := s.packets(); got != 0 {
				t.Errorf("the node was reached %d times past the proxy", got)
			}
		})
	}
}

func TestSilentProxyTimesOut(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d := newDialer(t, newNode(t))
	d.Proxy = &dial.Proxy{Addr: ln.Addr().String()}
	d.Timeout = time.Millisecond
	r := dial.Request{Target: dial.Target{ID: newNode(t).id, Host: "node.example", Port: 1}}
	wantError[*dial.ProxyError](t, d, r)
	wantError[*dial.TimeoutError](t, d, r)
}

// speaker accepts connections, says text and hangs up when the peer does.
func speaker(t *testing.T, text string) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			io.WriteString(nc, text)
			nc.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, nc)
			nc.Close()
		}
	})
	return ln.Addr().String()
}

func TestProxyHidesSecrets(t *testing.T) {
	p := dial.Proxy{Addr: "proxy.example:1080", Username: "sesame-user", Password: "sesame-word"}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T"} {
		out = append(out, fmt.Sprintf(verb, p), fmt.Sprintf(verb, &p), fmt.Sprintf(verb, struct{ P dial.Proxy }{p}))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "p", p, "q", &p)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "p", p, "q", struct{ P *dial.Proxy }{&p})
	text, err := json.Marshal(map[string]any{"p": p, "q": &p})
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, log.String(), string(text))
	for _, s := range out {
		if strings.Contains(s, "sesame") || strings.Contains(s, fmt.Sprintf("%x", "sesame")) {
			t.Errorf("%s", s)
		}
	}
}
