package call

import (
	"encoding/json"

	"github.com/alkdev/alknet/call/internal/jsontok"
	"github.com/alkdev/alknet/call/internal/wire"
)

// envelopeDepth is how deep a payload's values stand in a frame.
const envelopeDepth = 2

// frameRest is what a frame needs beside the largest value, generously.
const frameRest = 16 << 10

// fits refuses a value that no frame has room for.
func fits(code, what string, value json.RawMessage, more int) *Error {
	if len(value)+more+frameRest > wire.MaxFrame {
		return Errorf(code, "the %s has %d bytes, more than a frame holds", what, len(value))
	}
	return nil
}

// sendable refuses a value that would make a frame of ours malformed: nobody
// else who uses the stream shall notice.
func sendable(code, what string, value json.RawMessage, more int) *Error {
	if failure := fits(code, what, value, more); failure != nil || value == nil {
		return failure
	}
	if err := jsontok.ValidNested(value, envelopeDepth); err != nil {
		return Errorf(code, "the %s cannot be sent: %w", what, err)
	}
	return nil
}

// tellable is a failure without details that could not be sent.
func tellable(e *Error) *Error {
	if e == nil || e.Details == nil || sendable(CodeInternal, "details", e.Details, len(e.Message)) == nil {
		return e
	}
	bare := *e
	bare.Details = nil
	return &bare
}
