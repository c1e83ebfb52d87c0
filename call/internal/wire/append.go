package wire

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendRequest appends the frame of a call.requested. input is one JSON
// value, nil stands for null; token and forwarded are left out if empty,
// window if it is 0.
func AppendRequest(b []byte, id, operation string, input []byte, token string, forwarded []byte, window int) []byte {
	start := len(b)
	b = envelope(begin(b), Requested, id)
	b = append(b, `{"operationId":`...)
	b = appendString(b, "/", operation)
	if window > 0 {
		b = append(b, `,"window":`...)
		b = strconv.AppendInt(b, int64(window), 10)
	}
	if token != "" {
		b = append(b, `,"auth_token":`...)
		b = appendString(b, "", token)
	}
	if len(forwarded) > 0 {
		b = append(b, `,"forwarded_for":`...)
		b = append(b, forwarded...)
	}
	b = append(b, `,"input":`...)
	b = append(b, orNull(input)...)
	return finish(append(b, `}}`...), start)
}

// AppendResponse appends the frame of a call.responded.
func AppendResponse(b []byte, id string, output []byte) []byte {
	start := len(b)
	b = envelope(begin(b), Responded, id)
	b = append(b, `{"output":`...)
	b = append(b, orNull(output)...)
	return finish(append(b, `}}`...), start)
}

// AppendEvent appends the frame of an event with an empty payload.
func AppendEvent(b []byte, t Type, id string) []byte {
	start := len(b)
	b = envelope(begin(b), t, id)
	return finish(append(b, `{}}`...), start)
}

// AppendCredit appends the frame of a call.credit.
func AppendCredit(b []byte, id string, bytes int) []byte {
	start := len(b)
	b = envelope(begin(b), Credit, id)
	b = append(b, `{"bytes":`...)
	b = strconv.AppendInt(b, int64(bytes), 10)
	return finish(append(b, `}}`...), start)
}

// AppendError appends the frame of a call.error; details are left out if empty.
func AppendError(b []byte, id, code, message string, retryable bool, details []byte) []byte {
	start := len(b)
	b = envelope(begin(b), Error, id)
	b = append(b, `{"code":`...)
	b = appendString(b, "", code)
	b = append(b, `,"message":`...)
	b = appendString(b, "", message)
	b = append(b, `,"retryable":`...)
	b = strconv.AppendBool(b, retryable)
	if len(details) > 0 {
		b = append(b, `,"details":`...)
		b = append(b, details...)
	}
	return finish(append(b, `}}`...), start)
}

func envelope(b []byte, t Type, id string) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, names[t]...)
	b = append(b, `","id":`...)
	b = appendString(b, "", id)
	return append(b, `,"payload":`...)
}

// appendString quotes lead and s as one string. Bytes that are no UTF-8 become
// U+FFFD.
func appendString(b []byte, lead, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			b, _ = jsontext.AppendQuote(b, lead+s)
			return b
		}
	}
	b = append(b, '"')
	b = append(b, lead...)
	b = append(b, s...)
	return append(b, '"')
}
