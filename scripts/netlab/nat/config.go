package nat

import (
	"fmt"
	"net/netip"
	"time"
)

// Kind is one of the four kinds of NAT of RFC 3489 §5. They differ in when a
// mapping is used again for another destination, and in who outside may send to
// it; RFC 4787 §4.1 and §5 name these behaviours.
type Kind int

const (
	// FullCone uses one mapping for all destinations and lets everybody in
	// (endpoint-independent mapping and filtering).
	FullCone Kind = iota
	// AddressRestricted uses one mapping for all destinations and lets in who
	// has been sent to, from any port (address-dependent filtering).
	AddressRestricted
	// PortRestricted uses one mapping for all destinations and lets in who has
	// been sent to, from that port (address- and port-dependent filtering).
	PortRestricted
	// Symmetric makes a mapping for each destination and lets in that
	// destination only (address- and port-dependent mapping and filtering).
	Symmetric
)

var kinds = [...]string{"full-cone", "address-restricted", "port-restricted", "symmetric"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kinds) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kinds[k]
}

// MarshalText is the inverse of UnmarshalText.
func (k Kind) MarshalText() ([]byte, error) {
	if k < 0 || int(k) >= len(kinds) {
		return nil, badKind(k.String())
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads "full-cone", "address-restricted", "port-restricted" or
// "symmetric". Its error is a [*ConfigError].
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kinds {
		if string(text) == name {
			*k = Kind(i)
			return nil
		}
	}
	return badKind(fmt.Sprintf("%q", text))
}

func badKind(value string) error {
	return &ConfigError{"Kind", value, "full-cone, address-restricted, port-restricted or symmetric"}
}

// Config describes a NAT. All fields but Outside have a useful zero value.
type Config struct {
	Kind Kind
	// Outside is the IPv4 address that the outside sees.
	Outside netip.Addr
	// Seed determines the ports.
	Seed uint64
	// UDPTimeout is how long an idle UDP mapping lives, up to 24 h. 0 stands
	// for 120 s, the least that RFC 4787 REQ-5 allows.
	UDPTimeout time.Duration
	// TCPTimeout is how long an idle TCP mapping lives, up to 24 h. 0 stands
	// for 2 h 4 min, the least that RFC 5382 REQ-5 allows.
	TCPTimeout time.Duration
	// InboundRefresh lets inbound packets keep UDP and ICMP mappings alive.
	InboundRefresh bool
	// Hairpin lets inside hosts reach each other by their outside addresses
	// (RFC 4787 REQ-9).
	Hairpin bool
	// MaxMappings bounds the mappings, 1 to 64512. 0 stands for 16384. The NAT
	// remembers sixteen times as many peers.
	MaxMappings int
}

const (
	defaultUDPTimeout  = 120 * time.Second
	defaultTCPTimeout  = 2*time.Hour + 4*time.Minute
	transitoryTimeout  = 4 * time.Minute  // RFC 5382 REQ-5
	icmpTimeout        = 60 * time.Second // RFC 5508 REQ-1
	maxTimeout         = 24 * time.Hour
	defaultMaxMappings = 16384
	peersPerMapping    = 16
)

// ConfigError says that a field of a [Config] has a value which makes no sense.
type ConfigError struct {
	Field, Value, Allowed string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("nat: %s is %s: want %s", e.Field, e.Value, e.Allowed)
}

// withDefaults returns c with its zero values replaced, or a *ConfigError.
func (c Config) withDefaults() (Config, error) {
	if c.Kind < FullCone || c.Kind > Symmetric {
		return c, badKind(c.Kind.String())
	}
	if err := checkOutside(c.Outside); err != nil {
		return c, err
	}
	for _, t := range []struct {
		field string
		value *time.Duration
		zero  time.Duration
	}{
		{"UDPTimeout", &c.UDPTimeout, defaultUDPTimeout},
		{"TCPTimeout", &c.TCPTimeout, defaultTCPTimeout},
	} {
		switch {
		case *t.value < 0 || *t.value > maxTimeout:
			return c, &ConfigError{t.field, t.value.String(), "0s to " + maxTimeout.String()}
		case *t.value == 0:
			*t.value = t.zero
		}
	}
	switch {
	case c.MaxMappings < 0 || c.MaxMappings > portCount:
		return c, &ConfigError{"MaxMappings", fmt.Sprint(c.MaxMappings), fmt.Sprintf("0 to %d", portCount)}
	case c.MaxMappings == 0:
		c.MaxMappings = defaultMaxMappings
	}
	return c, nil
}

func checkOutside(a netip.Addr) error {
	if !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return &ConfigError{"Outside", a.String(), "the IPv4 address of one host"}
	}
	return nil
}
