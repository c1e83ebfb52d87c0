package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Proxy is a SOCKS5 proxy (RFC 1928, with the passwords of RFC 1929). TLS over
// TCP goes through CONNECT, QUIC through UDP ASSOCIATE. Names of nodes are
// resolved by the proxy; the proxy's own name is resolved here. What passes is
// encrypted by TLS, the password is not.
//
// Every way to print a Proxy leaves the user name and password out.
type Proxy struct {
	Addr     string // host:port
	Username string // empty: no authentication is offered; at most 255 bytes
	Password string // at most 255 bytes
}

func (p Proxy) String() string   { return "socks5://" + p.Addr }
func (p Proxy) GoString() string { return fmt.Sprintf("dial.Proxy{Addr: %q}", p.Addr) }

// Format writes String for every verb, GoString for %#v.
func (p Proxy) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		io.WriteString(f, p.GoString())
		return
	}
	io.WriteString(f, p.String())
}

// LogValue redacts in slog.
func (p Proxy) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText redacts in JSON and other encodings. There is no way back.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// A ProxyError says that the proxy did not answer or refused. Nothing was sent
// past it.
type ProxyError struct {
	Proxy   string // its host:port
	Command string // connect, udp associate
	Reply   byte   // REP (RFC 1928, section 6) if the proxy has answered with a refusal, else 0
	Err     error
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("proxy %s: %s: %v", e.Proxy, e.Command, e.Err)
}

func (e *ProxyError) Unwrap() error { return e.Err }

func (p *Proxy) fail(command string, err error) error {
	var reply socksReply
	errors.As(err, &reply)
	return &ProxyError{Proxy: p.Addr, Command: command, Reply: byte(reply), Err: err}
}

// open makes a TCP connection to the proxy and sends one command.
func (p *Proxy) open(ctx context.Context, cmd byte, to hostPort) (*net.TCPConn, hostPort, error) {
	if len(p.Username) > 255 || len(p.Password) > 255 {
		return nil, hostPort{}, errors.New("user name and password have at most 255 bytes each")
	}
	var nd net.Dialer
	nc, err := nd.DialContext(ctx, "tcp", p.Addr)
	if err != nil {
		return nil, hostPort{}, err
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	bound, err := func() (hostPort, error) {
		if err := negotiate(nc, p); err != nil {
			return hostPort{}, err
		}
		return request(nc, cmd, to)
	}()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, hostPort{}, contextual(ctx, err)
	}
	return nc.(*net.TCPConn), bound, nil
}

// connect returns a TCP connection to a through the proxy.
func (p *Proxy) connect(ctx context.Context, a hostPort) (*net.TCPConn, error) {
	nc, _, err := p.open(ctx, cmdConnect, a)
	if err != nil {
		return nil, p.fail("connect", err)
	}
	return nc, nil
}

// associate returns a packet connection whose only peer is a, through the
// proxy. It ends with the proxy's control connection.
func (p *Proxy) associate(ctx context.Context, a hostPort) (*relayConn, error) {
	header, err := appendSocksAddr([]byte{0, 0, 0}, a)
	if err != nil {
		return nil, p.fail("udp associate", err)
	}
	control, bound, err := p.open(ctx, cmdAssociate, hostPort{host: "0.0.0.0"})
	if err != nil {
		return nil, p.fail("udp associate", err)
	}
	relay, err := relayAddr(bound, control.RemoteAddr())
	if err != nil {
		control.Close()
		return nil, p.fail("udp associate", err)
	}
	udp, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(relay))
	if err != nil {
		control.Close()
		return nil, p.fail("udp associate", err)
	}
	c := &relayConn{udpSocket: udp, udp: udp, control: control, header: header, peer: proxiedAddr{QUIC, a}, ended: make(chan struct{})}
	go c.watch()
	return c, nil
}

// relayAddr reads an unspecified address as that of the proxy itself.
func relayAddr(bound hostPort, proxy net.Addr) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(bound.host)
	if err != nil || bound.port == 0 {
		return netip.AddrPort{}, errors.New("the proxy names no address for datagrams")
	}
	if ip.IsUnspecified() {
		ip = proxy.(*net.TCPAddr).AddrPort().Addr().Unmap()
	}
	return netip.AddrPortFrom(ip, bound.port), nil
}

// proxiedAddr is the address of a node whose name the proxy resolves.
type proxiedAddr struct {
	transport Transport
	hostPort
}

func (a proxiedAddr) Network() string {
	if a.transport == TCP {
		return "tcp"
	}
	return "udp"
}

func (a proxiedAddr) String() string { return net.JoinHostPort(a.host, strconv.Itoa(int(a.port))) }

// udpSocket is what quic-go wants of a socket beside packets: it keeps quiet
// about the buffer sizes only if it can look at them.
type udpSocket interface {
	LocalAddr() net.Addr
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

// relayConn is a net.PacketConn through UDP ASSOCIATE.
type relayConn struct {
	udpSocket
	udp     *net.UDPConn // connected to the relay
	control *net.TCPConn
	header  []byte
	peer    net.Addr
	ended   chan struct{} // closed when watch has ended

	reading sync.Mutex // protects in
	in      []byte
	writing sync.Mutex // protects out
	out     []byte
}

// watch ends the association with its control connection: section 6.
func (c *relayConn) watch() {
	defer close(c.ended)
	io.Copy(io.Discard, c.control)
	c.udp.Close()
}

func (c *relayConn) ReadFrom(p []byte) (int, net.Addr, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if need := 3 + maxSocksAddr + len(p); len(c.in) < need {
		c.in = make([]byte, need)
	}
	for {
		n, err := c.udp.Read(c.in)
		if err != nil {
			return 0, nil, err
		}
		if data, ok := parseDatagram(c.in[:n]); ok {
			return copy(p, data), c.peer, nil
		}
	}
}

func (c *relayConn) WriteTo(p []byte, _ net.Addr) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = append(append(c.out[:0], c.header...), p...)
	if _, err := c.udp.Write(c.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// relayLinger is how long the proxy gets to pass the last datagram on. It
// drops what it still holds when the control connection ends, and a lost
// CONNECTION_CLOSE would leave the peer waiting for its idle timeout.
const relayLinger = 250 * time.Millisecond

func (c *relayConn) linger() {
	t := time.NewTimer(relayLinger)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ended:
	}
}

func (c *relayConn) Close() error {
	c.control.Close()
	err := c.udp.Close()
	<-c.ended
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

var _ net.PacketConn = (*relayConn)(nil)
