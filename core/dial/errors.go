package dial

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

var (
	// ErrUnreachable says that no server of the node answered, or not to the
	// end of a handshake. [*UnreachableError] and [*NoAddressError] are it.
	ErrUnreachable = errors.New("node is unreachable")

	// ErrNotTrusted says that a server answered which is not, or not known to
	// be, the node that was meant. [*WrongKeyError], [*KeyChangedError],
	// [*DowngradeError] and [*UnknownNodeError] are it.
	ErrNotTrusted = errors.New("not trusted to be the node that was meant")
)

// An Attempt is one failed try to reach a node.
type Attempt struct {
	Transport Transport
	Address   string // host:port
	Err       error
}

// An UnreachableError holds every attempt of a failed dial. It is
// ErrUnreachable, and its attempts' errors are found by errors.As.
type UnreachableError struct {
	Target   Target
	Attempts []Attempt // in order of failure
}

func (e *UnreachableError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v is unreachable", e.Target)
	for i, a := range e.Attempts {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%v %s: %v", sep, a.Transport, a.Address, a.Err)
	}
	b.WriteString("; check that the node runs and that its port is open for UDP and TCP")
	return b.String()
}

// Is makes it ErrUnreachable.
func (e *UnreachableError) Is(target error) bool { return target == ErrUnreachable }

func (e *UnreachableError) Unwrap() []error {
	errs := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		errs[i] = a.Err
	}
	return errs
}

// A NoAddressError says that a node id alone was given and nothing knows an
// address for it. It is ErrUnreachable.
type NoAddressError struct{ ID auth.NodeID }

func (e *NoAddressError) Error() string {
	return fmt.Sprintf("no address is known for node %v: give one, as in %v@host:port", e.ID, e.ID)
}

// Is makes it ErrUnreachable.
func (e *NoAddressError) Is(target error) bool { return target == ErrUnreachable }

// A WrongKeyError says that the server's key is not the one that was asked for.
type WrongKeyError struct {
	Target Target
	Got    auth.Key // not proved; may be zero
}

func (e *WrongKeyError) Error() string {
	return fmt.Sprintf("the server at %s is not node %v (its key is %s): the address belongs to somebody else now, or somebody intercepts; ask the node's owner for its id",
		place(e.Target), e.Target.ID, keyText(e.Got))
}

// Is makes it ErrNotTrusted.
func (e *WrongKeyError) Is(target error) bool { return target == ErrNotTrusted }

// A KeyChangedError says that known_nodes holds another key for this name.
type KeyChangedError struct {
	Target Target
	File   string
	Want   auth.Key
	Got    auth.Key // not proved
}

func (e *KeyChangedError) Error() string {
	return fmt.Sprintf("the key of %s has changed: %s holds %s, the server shows %s. It was set up anew, or somebody intercepts. Ask its owner; if the new key is right, %s",
		e.Target.Address(), fileText(e.File), keyText(e.Want), keyText(e.Got), replaceAdvice(e.Target, e.Got, e.File))
}

// Is makes it ErrNotTrusted.
func (e *KeyChangedError) Is(target error) bool { return target == ErrNotTrusted }

// A DowngradeError says that no authority vouches for a name any more for
// which one did before.
type DowngradeError struct {
	Target Target
	File   string
	Got    auth.Key // not proved
	Err    error    // why the authorities do not vouch
}

func (e *DowngradeError) Error() string {
	return fmt.Sprintf("%s used to have a certificate of a public authority and now shows one that does not pass (%v). It is misconfigured, or somebody intercepts. Ask its owner; to go on with its key, %s",
		e.Target.Address(), e.Err, replaceAdvice(e.Target, e.Got, e.File))
}

// Is makes it ErrNotTrusted.
func (e *DowngradeError) Is(target error) bool { return target == ErrNotTrusted }

func (e *DowngradeError) Unwrap() error { return e.Err }

// An UnknownNodeError says that this is the first contact with a name and that
// nobody has agreed to it.
type UnknownNodeError struct {
	Target   Target
	Key      auth.Key // the server has proved to have it
	Declined bool     // Confirm was asked and said no
	Err      error    // why the authorities do not vouch
}

func (e *UnknownNodeError) Error() string {
	if e.Declined {
		return fmt.Sprintf("%s was not accepted: its key is %s", e.Target.Address(), keyText(e.Key))
	}
	pin := ""
	if id, ok := e.Key.NodeID(); ok {
		pin = fmt.Sprintf("dial %v@%s, or ", id, e.Target.Address())
	}
	return fmt.Sprintf("%s is not known yet and no authority vouches for it (%v): its key is %s. Compare it with what its owner says, then %srepeat with --accept-new",
		e.Target.Address(), e.Err, keyText(e.Key), pin)
}

// Is makes it ErrNotTrusted.
func (e *UnknownNodeError) Is(target error) bool { return target == ErrNotTrusted }

func (e *UnknownNodeError) Unwrap() error { return e.Err }

// A TimeoutError says that one attempt took longer than [Dialer.Timeout].
type TimeoutError struct{ Limit time.Duration }

func (e *TimeoutError) Error() string { return fmt.Sprintf("no answer within %v", e.Limit) }

// Timeout returns true.
func (e *TimeoutError) Timeout() bool { return true }

// timedOut keeps apart the limit of an attempt and that of the caller's context.
func timedOut(err error, limit time.Duration) error {
	var pe *ProxyError
	if errors.As(err, &pe) {
		return &ProxyError{Proxy: pe.Proxy, Command: pe.Command, Err: &TimeoutError{limit}}
	}
	return &TimeoutError{limit}
}

// A NoProtocolError says that the node does not serve the protocol.
type NoProtocolError struct {
	Target Target
	ALPN   string
}

func (e *NoProtocolError) Error() string {
	return fmt.Sprintf("%v does not serve %q: it is switched off there, or the node is older than this program", e.Target, e.ALPN)
}

// Refused reports whether err is the other node's access control speaking: the
// connection or a stream was closed for want of rights, or the handshake
// because of the certificate shown. TLS over TCP has no room for such codes
// once the handshake is over; there the protocol itself has to tell.
func Refused(err error) bool {
	denies := func(code uint64) bool {
		return code == core.CodeAuthRequired || code == core.CodeForbidden || code == core.CodeRevoked
	}
	var ce *core.CloseError
	if errors.As(err, &ce) && ce.Err == nil && ce.Remote && denies(ce.Code) {
		return true
	}
	var se *core.StreamError
	if errors.As(err, &se) && se.Remote && denies(se.Code) {
		return true
	}
	switch alert, _ := remoteAlert(err); alert {
	case 42, 43, 44, 45, 46, 48, 49, 116: // certificate alerts and access_denied: RFC 8446, section 6.2
		return true
	}
	return false
}

const alertNoApplicationProtocol = 120 // RFC 7301, section 3.2

// remoteAlert finds the TLS alert that the peer sent, on either transport.
func remoteAlert(err error) (tls.AlertError, bool) {
	var te *quic.TransportError
	if errors.As(err, &te) && te.Remote && te.ErrorCode >= 0x100 && te.ErrorCode < 0x200 {
		return tls.AlertError(te.ErrorCode - 0x100), true // RFC 9001, section 4.8
	}
	// crypto/tls wraps an unexported type with the same text as AlertError.
	var oe *net.OpError
	if errors.As(err, &oe) && oe.Op == "remote error" && oe.Err != nil {
		for a := range 256 {
			if alert := tls.AlertError(a); alert.Error() == oe.Err.Error() {
				return alert, true
			}
		}
	}
	return 0, false
}

func contextual(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

func place(t Target) string {
	if t.Host == "" {
		return "the address found"
	}
	return t.Address()
}

func keyText(k auth.Key) string {
	if id, ok := k.NodeID(); ok {
		return id.String()
	}
	if k.IsZero() {
		return "unusable"
	}
	return k.String()
}

func fileText(path string) string {
	if path == "" {
		return "known_nodes"
	}
	return path
}

func replaceAdvice(t Target, got auth.Key, file string) string {
	if id, ok := got.NodeID(); ok {
		return fmt.Sprintf("dial it once as %v@%s, which replaces the entry", id, t.Address())
	}
	return fmt.Sprintf("remove the lines of %s from %s", t.Address(), fileText(file))
}
