package dial

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alkdev/alknet/core/auth"
)

// KnownNodes is the memory of which key a name has, in a text file. A missing
// file is an empty one. Its methods may be called concurrently, from several
// processes too: a change is made under a lock (Path with ".lock" appended), to
// what the file holds then, and replaces the file at once or not at all.
//
// A line is
//
//	host:port pin  <key>    dialled with this node id
//	host:port ca            passed the public authorities
//	host:port tofu <key>    accepted at first contact
//
// with single spaces between the fields, the address as [Target.Address]
// writes it and the key as [auth.Key] does. Lines that are empty or start with
// # are kept. A name may have a pin and a ca line; what is accepted where the
// authorities do not vouch follows from the first of pin, ca, tofu.
type KnownNodes struct {
	Path string
}

// Known is what the file holds about one name. The zero value is nothing.
type Known struct {
	Pin  auth.Key
	CA   bool
	TOFU auth.Key
}

// A KnownNodesError is a line of the file that cannot be read. Nothing is
// dialled until it is repaired, since guessing might skip a pin.
type KnownNodesError struct {
	File   string
	Line   int // from 1
	Reason string
}

func (e *KnownNodesError) Error() string {
	return fmt.Sprintf("%s:%d: %s: repair or remove the line", fileText(e.File), e.Line, e.Reason)
}

const (
	maxKnownFile = 16 << 20
	maxKnownLine = 1024
)

// How a name became known.
const (
	howPin  = "pin"
	howCA   = "ca"
	howTOFU = "tofu"
)

type knownEntry struct {
	name string
	how  string
	key  auth.Key // zero for ca
}

func (e knownEntry) String() string {
	if e.how == howCA {
		return e.name + " " + e.how
	}
	return e.name + " " + e.how + " " + e.key.String()
}

// knownLine is an entry, or a comment if its name is empty.
type knownLine struct {
	knownEntry
	comment string
}

func parseKnown(r io.Reader) ([]knownLine, error) {
	var lines []knownLine
	type kind struct{ name, how string }
	seen := make(map[kind]int)
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxKnownLine)
	n := 0
	for scanner.Scan() {
		n++
		text := scanner.Text()
		if text == "" || text[0] == '#' {
			lines = append(lines, knownLine{comment: text})
			continue
		}
		e, err := parseKnownEntry(text)
		if err != nil {
			return nil, &KnownNodesError{Line: n, Reason: err.Error()}
		}
		if first, dup := seen[kind{e.name, e.how}]; dup {
			return nil, &KnownNodesError{Line: n, Reason: fmt.Sprintf("line %d says %s %s already", first, e.name, e.how)}
		}
		seen[kind{e.name, e.how}] = n
		lines = append(lines, knownLine{knownEntry: e})
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, &KnownNodesError{Line: n + 1, Reason: "the line is too long"}
	} else if err != nil {
		return nil, err
	}
	return lines, nil
}

func parseKnownEntry(text string) (knownEntry, error) {
	fields := strings.Split(text, " ")
	if len(fields) < 2 {
		return knownEntry{}, errors.New("want an address, how it became known, and a key")
	}
	e := knownEntry{name: fields[0], how: fields[1]}
	if t, err := ParseTarget(e.name); err != nil || t.Address() != e.name {
		return knownEntry{}, fmt.Errorf("%q is not an address as host:port", e.name)
	}
	want := 3
	switch e.how {
	case howCA:
		want = 2
	case howPin, howTOFU:
	default:
		return knownEntry{}, fmt.Errorf("%q is none of pin, ca, tofu", e.how)
	}
	if len(fields) != want {
		return knownEntry{}, fmt.Errorf("want %d fields, got %d", want, len(fields))
	}
	if want == 3 {
		key, err := auth.ParseKey(fields[2])
		if err != nil || key.String() != fields[2] {
			return knownEntry{}, fmt.Errorf("%q is not a key", fields[2])
		}
		e.key = key
	}
	return e, nil
}

var errNoPath = errors.New("known nodes: no file is named")

func formatKnown(lines []knownLine) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		if l.name == "" {
			b.WriteString(l.comment)
		} else {
			b.WriteString(l.String())
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func (k *KnownNodes) load() ([]knownLine, error) {
	if k.Path == "" {
		return nil, errNoPath
	}
	f, err := os.Open(k.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read known nodes: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, fmt.Errorf("read known nodes: %w", err)
	} else if st.Size() > maxKnownFile {
		return nil, fmt.Errorf("read known nodes: %s has %d bytes, more than %d", k.Path, st.Size(), maxKnownFile)
	}
	lines, err := parseKnown(io.LimitReader(f, maxKnownFile))
	var ke *KnownNodesError
	if errors.As(err, &ke) {
		ke.File = k.Path
		return nil, ke
	} else if err != nil {
		return nil, fmt.Errorf("read known nodes: %w", err)
	}
	return lines, nil
}

// Lookup returns what is known about name, a [Target.Address]. A file that
// cannot be read gives an error, a *KnownNodesError for a bad line.
func (k *KnownNodes) Lookup(name string) (Known, error) {
	lines, err := k.load()
	return knownFrom(lines, name), err
}

func knownFrom(lines []knownLine, name string) Known {
	var known Known
	for _, l := range lines {
		if l.name != name {
			continue
		}
		switch l.how {
		case howPin:
			known.Pin = l.key
		case howCA:
			known.CA = true
		case howTOFU:
			known.TOFU = l.key
		}
	}
	return known
}

// RecordPin notes that name was dialled with this key given. It replaces an
// earlier pin and what first contact said.
func (k *KnownNodes) RecordPin(ctx context.Context, name string, key auth.Key) error {
	return k.record(ctx, knownEntry{name, howPin, key})
}

// RecordCA notes that the authorities vouch for name. It replaces what first
// contact said and leaves a pin.
func (k *KnownNodes) RecordCA(ctx context.Context, name string) error {
	return k.record(ctx, knownEntry{name: name, how: howCA})
}

var errAlreadyKnown = errors.New("another program has learned something else about this name just now: dial again")

// RecordTOFU notes the key that was accepted at first contact. It replaces
// nothing: if the file says anything else about name by now, it fails.
func (k *KnownNodes) RecordTOFU(ctx context.Context, name string, key auth.Key) error {
	return k.record(ctx, knownEntry{name, howTOFU, key})
}

// Forget removes all lines of name and reports whether there were any.
func (k *KnownNodes) Forget(ctx context.Context, name string) (bool, error) {
	found := false
	err := k.change(ctx, func(lines []knownLine) ([]knownLine, error) {
		kept := lines[:0:0]
		for _, l := range lines {
			if l.name == name {
				found = true
			} else {
				kept = append(kept, l)
			}
		}
		return kept, nil
	})
	return found, err
}

func (k *KnownNodes) record(ctx context.Context, e knownEntry) error {
	if parsed, err := parseKnownEntry(e.String()); err != nil {
		return fmt.Errorf("record known node: %w", err)
	} else if parsed != e {
		return fmt.Errorf("record known node: %q does not read back", e)
	}
	return k.change(ctx, func(lines []knownLine) ([]knownLine, error) { return applyEntry(lines, e) })
}

func applyEntry(lines []knownLine, e knownEntry) ([]knownLine, error) {
	known := knownFrom(lines, e.name)
	if e.how == howTOFU && known != (Known{}) && known != (Known{TOFU: e.key}) {
		return nil, errAlreadyKnown
	}
	var out []knownLine
	placed := false
	for _, l := range lines {
		switch {
		case l.name != e.name, l.how == howPin && e.how == howCA, l.how == howCA && e.how == howPin:
			out = append(out, l)
		case !placed:
			out = append(out, knownLine{knownEntry: e})
			placed = true
		}
	}
	if len(out) == 0 {
		out = append(out, knownLine{comment: "# Which key a node has: host:port pin|ca|tofu key"})
	}
	if !placed {
		out = append(out, knownLine{knownEntry: e})
	}
	return out, nil
}
