package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/internal/udpconn"
	"github.com/alkdev/alknet/core/tlsconf"
)

// portTries bounds the search for a port number that is free on both
// transports.
const portTries = 32

// connectionIDLength: the default of 4 bytes would collide now and then with
// the random connection IDs of stateless resets.
const connectionIDLength = 8

// socket is one port on both transports.
type socket struct {
	tcp       *net.TCPListener
	udp       udpconn.Conn
	transport *quic.Transport
	listener  *quic.Listener // set by Serve

	ip          netip.Addr // unspecified for every address of the family
	dual        bool       // both families
	defaultALPN string
}

// Listen binds addresses of the form host:port, all of them or none. The host
// is an IP address, empty for every address of both families, or a name that
// resolves to local addresses. It may be called again before Serve.
func (e *Endpoint) Listen(addrs ...string) error {
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.canListen(); err != nil {
		return err
	}
	var bound []*socket
	for _, addr := range addrs {
		sockets, err := e.bindAll(addr)
		bound = append(bound, sockets...)
		if err != nil {
			for _, s := range bound {
				s.close()
			}
			return err
		}
	}
	e.sockets = append(e.sockets, bound...)
	return nil
}

// canListen is called with e.mu held.
func (e *Endpoint) canListen() error {
	switch {
	case e.Router == nil || e.TLS == nil:
		return errors.New("listen: endpoint needs a Router and TLS settings")
	case e.stopping:
		return core.ErrServerClosed
	case e.serving:
		return errServing
	}
	if len(e.TLS.NodeALPNs)+len(e.TLS.WebALPNs) == 0 {
		e.TLS.NodeALPNs, e.TLS.WebALPNs = tlsconf.Split(e.Router.ALPNs())
	}
	if err := e.TLS.Validate(); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

func (e *Endpoint) bindAll(addr string) ([]*socket, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: write host:port, for example :4433 or 192.0.2.1:4433: %w", addr, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: the port is a number from 0 to 65535", addr)
	}
	ips, err := resolve(host)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: %w", addr, err)
	}
	var bound []*socket
	for _, ip := range ips {
		s, err := e.bind(addr, ip, uint16(port))
		if err != nil {
			return bound, err
		}
		bound = append(bound, s)
	}
	return bound, nil
}

// resolve returns the zero Addr for both families.
func resolve(host string) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{{}}, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return net.DefaultResolver.LookupNetIP(context.Background(), "ip", host)
}

func (e *Endpoint) bind(addr string, ip netip.Addr, port uint16) (*socket, error) {
	s := &socket{ip: ip.Unmap(), defaultALPN: defaultALPN(port)}
	// "tcp" with a wildcard address is dual-stack whatever the literal says.
	family := ""
	switch {
	case !ip.IsValid():
		s.ip, s.dual = netip.IPv6Unspecified(), true
	case s.ip.Is4():
		family = "4"
	default:
		family = "6"
	}
	for try := 1; ; try++ {
		udp, err := s.bindPair(family, port)
		if err == nil {
			e.open(s, udp)
			return s, nil
		}
		if port != 0 || try == portTries || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, bindError(addr, port, err)
		}
	}
}

// defaultALPN is what clients on TCP get that name no protocol at all.
func defaultALPN(port uint16) string {
	if port == 853 {
		return "dot"
	}
	return "http/1.1"
}

func (e *Endpoint) open(s *socket, udp *net.UDPConn) {
	s.udp, _ = udpconn.Wrap(udp, !e.NoGRO)
	s.udp.Forgive()
	s.transport = e.newTransport(s.udp)
}

func (s *socket) bindPair(family string, port uint16) (*net.UDPConn, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), "tcp"+family, net.JoinHostPort(s.host(), strconv.Itoa(int(port))))
	if err != nil {
		return nil, err
	}
	s.tcp = ln.(*net.TCPListener)
	udp, err := s.bindUDP(family)
	if err != nil {
		s.tcp.Close()
		return nil, err
	}
	return udp, nil
}

// bindUDP takes the port that TCP has.
func (s *socket) bindUDP(family string) (*net.UDPConn, error) {
	var lc net.ListenConfig
	port := s.tcp.Addr().(*net.TCPAddr).Port
	pc, err := lc.ListenPacket(context.Background(), "udp"+family, net.JoinHostPort(s.host(), strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

func (s *socket) host() string {
	if s.dual {
		return ""
	}
	return s.ip.String()
}

func bindError(addr string, port uint16, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: another program, perhaps another node, holds the port (ss -lntup 'sport = :%d' shows which): stop it or choose another address: %w", addr, port, err)
	case errors.Is(err, syscall.EACCES) && port < 1024:
		return fmt.Errorf("listen on %s: ports below 1024 are reserved: grant CAP_NET_BIND_SERVICE or choose a higher port: %w", addr, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: no network interface of this machine has that address: %w", addr, err)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

func (e *Endpoint) newTransport(conn net.PacketConn) *quic.Transport {
	t := &quic.Transport{
		Conn:                conn,
		ConnectionIDLength:  connectionIDLength,
		VerifySourceAddress: func(net.Addr) bool { return e.gate.count() >= e.limits().RetryAbove },
		ConnContext:         e.beginQUIC,
	}
	if key := e.StatelessResetKey; key != [32]byte{} {
		t.StatelessResetKey = (*quic.StatelessResetKey)(&key)
	}
	if key := e.TokenKey; key != [32]byte{} {
		t.TokenGeneratorKey = (*quic.TokenGeneratorKey)(&key)
	}
	return t
}

func (s *socket) reaches(remote netip.Addr) bool {
	switch {
	case s.dual:
		return true
	case s.ip.Is4() != remote.Is4():
		return false
	}
	return s.ip.IsUnspecified() || s.ip.IsLoopback() == remote.IsLoopback()
}

func (s *socket) close() {
	s.tcp.Close()
	s.transport.Close()
	s.udp.Close()
}
