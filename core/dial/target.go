package dial

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/alkdev/alknet/core/auth"
)

// DefaultPort is the port of a node when none is given.
const DefaultPort = 4433

const (
	scheme    = "alknet://"
	maxTarget = len(scheme) + 52 + 1 + 253 + len("[]%:65535") + 16
)

// Target is a node to dial. It is comparable; the zero Target names none.
//
// With an ID the server must have that key; with a Host that is where it is.
// An ID alone needs [Dialer.Resolve], a Host alone the authorities or
// known_nodes.
type Target struct {
	ID   auth.NodeID
	Host string // DNS name in lower case, or IP address in canonical form, unbracketed; may be empty
	Port uint16 // 0 exactly if Host is empty
}

// A TargetError says why a text names no node.
type TargetError struct {
	Text   string
	Reason string
}

func (e *TargetError) Error() string {
	text := e.Text
	if len(text) > 80 {
		text = text[:77] + "..."
	}
	return fmt.Sprintf("%q is not a node: %s", text, e.Reason)
}

// ParseTarget reads one of these, each optionally after alknet://
//
//	<node-id>@host:port   key and address
//	<node-id>             key alone: its addresses are to be discovered
//	host:port             address alone
//
// Without a port, [DefaultPort] is meant. An IPv6 address stands in brackets.
// Names are ASCII and become lower case. The error is a *TargetError.
func ParseTarget(s string) (Target, error) {
	t, err := parseTarget(s)
	if err != nil {
		return Target{}, &TargetError{Text: s, Reason: err.Error()}
	}
	return t, nil
}

func parseTarget(s string) (Target, error) {
	if len(s) > maxTarget {
		return Target{}, fmt.Errorf("%d characters are too long", len(s))
	}
	rest := strings.TrimPrefix(s, scheme)
	if strings.HasPrefix(s, "-") || strings.HasPrefix(rest, "-") {
		return Target{}, errors.New("it starts with a dash: options stand before the node")
	}
	if rest == "" {
		return Target{}, errors.New("it is empty")
	}
	var t Target
	var err error
	if id, hostport, found := strings.Cut(rest, "@"); found {
		if t.ID, err = auth.ParseNodeID(id); err != nil {
			return Target{}, fmt.Errorf("before the @ stands a node id, and no user name: %w", err)
		}
		rest = hostport
	} else if isNodeID(rest) {
		t.ID, err = auth.ParseNodeID(rest)
		return t, err
	}
	t.Host, t.Port, err = parseHostPort(rest)
	return t, err
}

func isNodeID(s string) bool {
	_, err := auth.ParseNodeID(s)
	return err == nil
}

func parseHostPort(s string) (string, uint16, error) {
	if s == "" {
		return "", 0, errors.New("it has no address")
	}
	host, port, hasPort := s, "", false
	if inner, ok := strings.CutPrefix(s, "["); ok {
		var after string
		if host, after, ok = strings.Cut(inner, "]"); !ok {
			return "", 0, errors.New("the bracket is not closed")
		}
		if port, hasPort = strings.CutPrefix(after, ":"); !hasPort && after != "" {
			return "", 0, errors.New("after the bracket stands a colon and a port, or nothing")
		}
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is6() || addr.Is4In6() || !validZone(addr.Zone()) {
			return "", 0, errors.New("in the brackets stands an IPv6 address")
		}
		host = addr.String()
	} else {
		if strings.Count(s, ":") > 1 {
			return "", 0, errors.New("write an IPv6 address in brackets, as in [2001:db8::1]:4433")
		}
		host, port, hasPort = strings.Cut(s, ":")
		host = strings.ToLower(host)
		if err := checkHost(host); err != nil {
			return "", 0, err
		}
	}
	if !hasPort {
		return host, DefaultPort, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return "", 0, errors.New("a port is a number from 1 to 65535")
	}
	return host, uint16(n), nil
}

func checkHost(host string) error {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return nil
	}
	if isNodeID(host) {
		return errors.New("a node id takes no port of its own: write <node-id>@host:port")
	}
	if len(host) > 253 {
		return errors.New("a DNS name has at most 253 characters")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !validLabel(label) {
			return errors.New("a DNS name consists of letters, digits and inner dashes, at most 63 between dots (write international names in their xn-- form)")
		}
	}
	// Some resolvers read such names as IPv4 addresses.
	if last := labels[len(labels)-1]; last[0] >= '0' && last[0] <= '9' && isNumber(last) {
		return errors.New("it is neither an IPv4 address nor a DNS name")
	}
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 0, 64)
	return err == nil || errors.Is(err, strconv.ErrRange) || strings.Trim(s, "0123456789") == ""
}

func validLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func validZone(zone string) bool {
	for i := range len(zone) {
		c := zone[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.", c) >= 0) {
			return false
		}
	}
	return len(zone) <= 16
}

// String returns the form that ParseTarget reads, or "" for the zero Target.
func (t Target) String() string {
	switch {
	case t.Host == "":
		return t.ID.String()
	case t.ID.IsZero():
		return t.Address()
	}
	return t.ID.String() + "@" + t.Address()
}

// Address returns host:port, or "" without a host. It is the name under which
// known_nodes holds the node.
func (t Target) Address() string {
	if t.Host == "" {
		return ""
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// IsZero reports whether t names no node.
func (t Target) IsZero() bool { return t == Target{} }

// ValidName reports whether s can be the name of a saved node:
// [a-z0-9][a-z0-9-]{0,62}, and not a node id.
func ValidName(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || isNodeID(s) {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// ParseNode reads what a person writes for a node: a saved name, for which
// saved returns the text that it stands for, or what ParseTarget reads. Saved
// names win over host names. saved may be nil; its text may not be a saved
// name again.
func ParseNode(s string, saved func(name string) (node string, ok bool, err error)) (Target, error) {
	if saved != nil && ValidName(s) {
		node, ok, err := saved(s)
		if err != nil {
			return Target{}, fmt.Errorf("look up saved node %s: %w", s, err)
		}
		if ok {
			return ParseTarget(node)
		}
	}
	return ParseTarget(s)
}
