package vault

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// ErrItem means that SignItem was given a salt, a sequence number or a value
// that BEP 44 does not allow.
var ErrItem = errors.New("not a BEP 44 item")

const (
	maxItemSalt  = 64
	maxItemValue = 1000
	maxItemDepth = 32
)

// SignItem signs a mutable item of the BitTorrent DHT (BEP 44), the form that
// pkarr uses: an optional salt of at most 64 bytes, a sequence number from 0,
// and one bencoded value of at most 1000 bytes (for pkarr "<length>:<packet>").
//
// It returns ErrLocked or ErrItem.
func (k *NodeKey) SignItem(salt []byte, seq int64, value []byte) ([]byte, error) {
	input, err := itemInput(salt, seq, value)
	if err != nil {
		return nil, fmt.Errorf("sign item: %w", err)
	}
	return k.sign(input)
}

func itemInput(salt []byte, seq int64, value []byte) ([]byte, error) {
	switch {
	case len(salt) > maxItemSalt:
		return nil, fmt.Errorf("%w: salt of %d bytes, at most %d", ErrItem, len(salt), maxItemSalt)
	case seq < 0:
		return nil, fmt.Errorf("%w: negative sequence number", ErrItem)
	case len(value) > maxItemValue:
		return nil, fmt.Errorf("%w: value of %d bytes, at most %d", ErrItem, len(value), maxItemValue)
	}
	if rest, ok := cutBencoded(value, maxItemDepth); !ok || len(rest) > 0 {
		return nil, fmt.Errorf("%w: value is not one bencoded value", ErrItem)
	}
	var b []byte
	if len(salt) > 0 {
		b = fmt.Appendf(b, "4:salt%d:%s", len(salt), salt)
	}
	b = fmt.Appendf(b, "3:seqi%de1:v", seq)
	return append(b, value...), nil
}

// cutBencoded removes one canonical bencoded value (BEP 3) from the front.
func cutBencoded(b []byte, depth int) (rest []byte, ok bool) {
	if len(b) == 0 || depth == 0 {
		return nil, false
	}
	switch b[0] {
	case 'i':
		digits, rest, ok := bytes.Cut(b[1:], []byte{'e'})
		n, err := strconv.ParseInt(string(digits), 10, 64)
		return rest, ok && err == nil && strconv.FormatInt(n, 10) == string(digits)
	case 'l':
		return cutList(b[1:], depth)
	case 'd':
		return cutDict(b[1:], depth)
	}
	_, rest, ok = cutString(b)
	return rest, ok
}

func cutList(b []byte, depth int) ([]byte, bool) {
	for len(b) > 0 && b[0] != 'e' {
		var ok bool
		if b, ok = cutBencoded(b, depth-1); !ok {
			return nil, false
		}
	}
	return bytes.CutPrefix(b, []byte{'e'})
}

func cutDict(b []byte, depth int) ([]byte, bool) {
	for previous, first := []byte(nil), true; len(b) > 0 && b[0] != 'e'; first = false {
		key, rest, ok := cutString(b)
		if !ok || !first && bytes.Compare(previous, key) >= 0 {
			return nil, false
		}
		previous = key
		if b, ok = cutBencoded(rest, depth-1); !ok {
			return nil, false
		}
	}
	return bytes.CutPrefix(b, []byte{'e'})
}

func cutString(b []byte) (s, rest []byte, ok bool) {
	digits, rest, ok := bytes.Cut(b, []byte{':'})
	n, err := strconv.ParseUint(string(digits), 10, 31)
	if !ok || err != nil || strconv.FormatUint(n, 10) != string(digits) || n > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}
