package call

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
)

// A Secret is bytes that go out in requests to other services and nowhere
// else: an API key, a token, a signing key. It prints and serialises as
// "[redacted]" in every formatting verb and encoding, also inside of other
// values and for programs that walk them by reflection. Copies share the bytes,
// and Wipe reaches all of them. The zero Secret is empty. It is safe for
// concurrent use.
type Secret struct {
	// A closure, because reflection sees into everything else, and the verbs
	// %p and %w pass Format by.
	open func(wipe bool) []byte
}

// NewSecret keeps a copy of b; the caller's remains the caller's to wipe.
func NewSecret(b []byte) Secret { return sealed(bytes.Clone(b)) }

func sealed(held []byte) Secret {
	var mu sync.Mutex
	return Secret{func(wipe bool) []byte {
		mu.Lock()
		defer mu.Unlock()
		if wipe {
			clear(held)
			held = nil
		}
		return bytes.Clone(held)
	}}
}

// Reveal returns a copy of the bytes, which the caller wipes after use; nil
// after Wipe.
func (s Secret) Reveal() []byte {
	if s.open == nil {
		return nil
	}
	return s.open(false)
}

// Wipe overwrites the bytes with zeros, for all copies of s.
func (s Secret) Wipe() {
	if s.open != nil {
		s.open(true)
	}
}

const redacted = "[redacted]"

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes "[redacted]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON writes "[redacted]".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Capabilities are secrets by the name of the service that they are for. They
// are wired to an operation when it is registered, never come from a call, and
// never leave the process. They cannot be changed; the zero value has none.
type Capabilities struct {
	get func(service string) (Secret, bool) // a closure as in Secret
}

// NewCapabilities copies the map, and none of the secrets.
func NewCapabilities(secrets map[string]Secret) Capabilities {
	held := maps.Clone(secrets)
	return Capabilities{func(service string) (Secret, bool) {
		s, ok := held[service]
		return s, ok
	}}
}

// Get returns the secret for a service.
func (c Capabilities) Get(service string) (Secret, bool) {
	if c.get == nil {
		return Secret{}, false
	}
	return c.get(service)
}

// String returns "[redacted]": even the names of services are nobody's business.
func (c Capabilities) String() string { return redacted }

// GoString returns "[redacted]".
func (c Capabilities) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (c Capabilities) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (c Capabilities) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes "[redacted]".
func (c Capabilities) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON writes "[redacted]".
func (c Capabilities) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
