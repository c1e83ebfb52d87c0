package quicconn

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/quic-go/quic-go"

	"github.com/alkdev/alknet/core"
)

// connError translates what quic-go says about the end of qc. The error of a
// caller's context passes.
func connError(qc *quic.Conn, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	// quic-go fails the streams a moment before it ends the context. On a
	// connection that is ending this does nothing but wait for that.
	qc.CloseWithError(quic.ApplicationErrorCode(core.CodeInternal), "internal error")
	return closeError(err)
}

func closeError(err error) *core.CloseError {
	var (
		app       *quic.ApplicationError
		transport *quic.TransportError
		reset     *quic.StatelessResetError
	)
	switch {
	case errors.As(err, &app):
		return &core.CloseError{Code: uint64(app.ErrorCode), Reason: app.ErrorMessage, Remote: app.Remote}
	case errors.As(err, &transport):
		return &core.CloseError{Remote: transport.Remote, Err: err}
	case errors.As(err, &reset):
		return &core.CloseError{Remote: true, Err: err}
	}
	return &core.CloseError{Err: err}
}

func streamError(qc *quic.Conn, err error) error {
	var se *quic.StreamError
	switch {
	case err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case errors.As(err, &se):
		return &core.StreamError{Code: uint64(se.ErrorCode), Remote: se.Remote}
	case errors.Is(err, quic.ErrStreamClosed):
		return &core.StreamError{Code: core.CodeNone}
	}
	return connError(qc, err)
}

// datagramError keeps "too large", which says nothing about the connection.
func datagramError(qc *quic.Conn, err error) error {
	var big *quic.DatagramTooLargeError
	if errors.As(err, &big) {
		return err
	}
	return connError(qc, err)
}
