package call

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/alkdev/alknet/core"
)

// The six codes of the protocol: docs/wire/call.md, section 5. Operations
// declare further ones. Decide upon the code, never upon the message.
const (
	CodeNotFound             = "NOT_FOUND"
	CodeForbidden            = "FORBIDDEN"
	CodeInvalidInput         = "INVALID_INPUT"
	CodeInvalidOperationType = "INVALID_OPERATION_TYPE"
	CodeInternal             = "INTERNAL"
	CodeTimeout              = "TIMEOUT"
)

// An Error is how a call fails, on both sides: handlers return one to choose
// the code, callers get one for whatever the other end refused or failed at,
// and for what went wrong on the way there.
type Error struct {
	Code      string
	Message   string
	Retryable bool            // the same call may succeed later
	Details   json.RawMessage // as the operation declares; nil if there are none

	err error // local cause, never sent
}

// Errorf makes an Error. A %w verb keeps the cause for errors.Is on this side;
// of it only the formatted text is sent.
func Errorf(code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Retryable: code == CodeTimeout, err: errors.Unwrap(err)}
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap is the cause on this side, if there is one.
func (e *Error) Unwrap() error { return e.err }

// Is makes errors with the same code equal; FORBIDDEN is core.ErrForbidden, or
// core.ErrAuthRequired if the caller was nobody.
func (e *Error) Is(target error) bool {
	if t, ok := target.(*Error); ok {
		return t.Code == e.Code
	}
	switch target {
	case core.ErrForbidden:
		return e.Code == CodeForbidden
	case core.ErrAuthRequired:
		return e.Code == CodeForbidden && e.Message == authenticationRequired
	}
	return false
}

const authenticationRequired = "authentication required"

// CodeOf is the code of the Error in err's chain; INTERNAL if there is none,
// and "" if err is nil.
func CodeOf(err error) string {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return CodeInternal
}
