package core

import (
	"errors"
	"fmt"
	"net"
)

// Codes with which core closes connections and cancels streams: docs/wire/core.md,
// section 3. They lie apart from those of HTTP/3 and DoQ, which take unknown
// codes for "no error" and "unspecified", so that they mean the same on every
// protocol. CodeNone is never a refusal.
const (
	CodeNone         uint64 = 0
	CodeInternal     uint64 = 0x616c6b01 // the handler failed or panicked
	CodeNoHandler    uint64 = 0x616c6b02 // nobody serves this protocol here
	CodeAuthRequired uint64 = 0x616c6b03 // the handler needs to know who you are
	CodeForbidden    uint64 = 0x616c6b04 // known, but not allowed
	CodeRevoked      uint64 = 0x616c6b05 // the peer was removed, disabled or has expired
	CodeShutdown     uint64 = 0x616c6b06 // the node stops
	CodeLimit        uint64 = 0x616c6b07 // too many connections or attempts
	CodeProtocol     uint64 = 0x616c6b08 // the peer broke the protocol
	CodeTimeout      uint64 = 0x616c6b09 // the peer took too long
)

// Errors that callers may test for with errors.Is.
var (
	// ErrConnectionClosed is the end of a connection, whoever caused it. It
	// is net.ErrClosed too.
	ErrConnectionClosed = fmt.Errorf("connection closed: %w", net.ErrClosed)
	// ErrStreamUnavailable says that this connection can open no (further)
	// stream.
	ErrStreamUnavailable = errors.New("this connection carries a single stream and cannot open another")
	// ErrAuthRequired is returned by a handler that serves nobody unknown.
	ErrAuthRequired = errors.New("authentication required")
	// ErrForbidden is returned by a handler whose peer lacks the scope.
	ErrForbidden = errors.New("not allowed")
	// ErrRouterStarted is returned by Register after the first use.
	ErrRouterStarted = errors.New("router is in use: register handlers before the node starts")
	// ErrAlreadyProven is returned by a second AuthContext.Prove.
	ErrAlreadyProven = errors.New("this connection has proved an identity already")
	// ErrServerClosed is what Serve returns after Shutdown.
	ErrServerClosed = errors.New("server closed")
)

// A HandlerError chooses the code and the text with which the peer sees its
// connection closed.
type HandlerError struct {
	Code   uint64
	Reason string // sent to the peer
	Err    error  // stays here; may be nil
}

func (e *HandlerError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

func (e *HandlerError) Unwrap() error { return e.Err }

// A CloseError is why a connection has ended. It is ErrConnectionClosed and
// net.ErrClosed to errors.Is.
type CloseError struct {
	Code   uint64 // meaningless if Err is set
	Reason string
	Remote bool  // closed by the peer
	Err    error // failure of the transport, e.g. an idle timeout; nil after an orderly close
}

func (e *CloseError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("connection lost: %v", e.Err)
	}
	by := "here"
	if e.Remote {
		by = "by the peer"
	}
	if e.Code == CodeNone {
		return "connection closed " + by
	}
	return fmt.Sprintf("connection closed %s: %s (code %#x)", by, e.Reason, e.Code)
}

// Is makes every CloseError an ErrConnectionClosed.
func (e *CloseError) Is(target error) bool { return target == ErrConnectionClosed }

func (e *CloseError) Unwrap() []error {
	if e.Err != nil {
		return []error{net.ErrClosed, e.Err}
	}
	return []error{net.ErrClosed}
}

// Timeout reports whether the connection was lost to silence.
func (e *CloseError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// A StreamError says that one direction of a stream was cancelled: by the
// peer, or by an earlier call here.
type StreamError struct {
	Code   uint64
	Remote bool
}

func (e *StreamError) Error() string {
	if e.Remote {
		return fmt.Sprintf("stream cancelled by the peer (code %#x)", e.Code)
	}
	return fmt.Sprintf("stream cancelled here (code %#x)", e.Code)
}

// A DuplicateError says that two handlers want the same protocol name.
type DuplicateError struct {
	ALPN          string
	First, Second ProtocolHandler
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("protocol %q is served by both %T and %T: register one of them", e.ALPN, e.First, e.Second)
}
