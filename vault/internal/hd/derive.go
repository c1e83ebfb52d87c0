package hd

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// ErrSeed reports a seed outside the 16 to 64 bytes that SLIP-0010 allows.
var ErrSeed = errors.New("seed must have 16 to 64 bytes")

// ErrIndex reports the one index in about 2^127 that BIP-32 declares invalid.
var ErrIndex = errors.New("BIP-32 has no key at this index; take the next one")

// A Key is an extended private key. The caller wipes it.
type Key struct {
	Private [32]byte
	Chain   [32]byte
}

// Wipe overwrites the key with zeros.
func (k *Key) Wipe() {
	clear(k.Private[:])
	clear(k.Chain[:])
}

// Ed25519 derives by SLIP-0010. Its Private is an RFC 8032 seed. Every level
// of the path must be hardened.
func Ed25519(seed []byte, p Path) (*Key, error) {
	for i, index := range p {
		if index&Hardened == 0 {
			return nil, &PathError{Path: p.String(), Reason: fmt.Sprintf("level %d must be hardened: Ed25519 has no other derivation (SLIP-0010)", i+1)}
		}
	}
	k, err := master("ed25519 seed", seed)
	if err != nil {
		return nil, err
	}
	for _, index := range p {
		sum := k.childHash(k.hardenedInput(index))
		copy(k.Private[:], sum[:32])
		copy(k.Chain[:], sum[32:])
		clear(sum)
	}
	return k, nil
}

// Secp256k1 derives by BIP-32, private parent to private child.
func Secp256k1(seed []byte, p Path) (*Key, error) {
	k, err := master("Bitcoin seed", seed)
	if err != nil {
		return nil, err
	}
	var scalar secp256k1.ModNScalar
	defer scalar.Zero()
	if overflow := scalar.SetByteSlice(k.Private[:]); overflow || scalar.IsZero() {
		k.Wipe()
		return nil, ErrIndex
	}
	for _, index := range p {
		if err := k.secp256k1Child(&scalar, index); err != nil {
			k.Wipe()
			return nil, err
		}
	}
	return k, nil
}

// Secp256k1Public returns the 33-byte compressed public key.
func (k *Key) Secp256k1Public() []byte {
	priv := secp256k1.PrivKeyFromBytes(k.Private[:])
	defer priv.Zero()
	return priv.PubKey().SerializeCompressed()
}

func (k *Key) secp256k1Child(parent *secp256k1.ModNScalar, index uint32) error {
	input := k.hardenedInput(index)
	if index&Hardened == 0 {
		copy(input, k.Secp256k1Public())
	}
	sum := k.childHash(input)
	defer clear(sum)
	var add secp256k1.ModNScalar
	defer add.Zero()
	if overflow := add.SetByteSlice(sum[:32]); overflow {
		return ErrIndex
	}
	if parent.Add(&add).IsZero() {
		return ErrIndex
	}
	parent.PutBytesUnchecked(k.Private[:])
	copy(k.Chain[:], sum[32:])
	return nil
}

func master(curve string, seed []byte) (*Key, error) {
	if len(seed) < 16 || len(seed) > 64 {
		return nil, ErrSeed
	}
	mac := hmac.New(sha512.New, []byte(curve))
	mac.Write(seed)
	sum := mac.Sum(nil)
	defer clear(sum)
	k := new(Key)
	copy(k.Private[:], sum[:32])
	copy(k.Chain[:], sum[32:])
	return k, nil
}

// hardenedInput is 0x00 || private || index, in 37 bytes.
func (k *Key) hardenedInput(index uint32) []byte {
	input := make([]byte, 37)
	copy(input[1:], k.Private[:])
	binary.BigEndian.PutUint32(input[33:], index)
	return input
}

// childHash consumes its input.
func (k *Key) childHash(input []byte) []byte {
	mac := hmac.New(sha512.New, k.Chain[:])
	mac.Write(input)
	clear(input)
	return mac.Sum(nil)
}
