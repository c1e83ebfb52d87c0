package acme

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

const formatVersion = 1

// record is what is known about attempts that failed since the certificate was
// issued. It is written before each attempt, as if that had failed already, so
// that a node that dies during one still waits before the next.
type record struct {
	Version     int       `json:"version"`
	Certificate string    `json:"certificate"` // SHA-256 of the leaf that stood when it was written, in hex; empty if none
	Failures    int       `json:"failures"`
	TriedAt     time.Time `json:"tried_at"`
	NextTry     time.Time `json:"next_try"`
	RateLimited bool      `json:"rate_limited"` // NextTry is the authority's word
	LastError   string    `json:"last_error"`
}

func (r record) encode() ([]byte, error) {
	r.Version = formatVersion
	return json.MarshalIndent(r, "", "\t")
}

func parseRecord(data []byte) (record, error) {
	var r record
	if err := parseJSON(data, &r); err != nil {
		return record{}, err
	}
	switch {
	case r.Version != formatVersion:
		return record{}, fmt.Errorf("version %d; this program knows %d", r.Version, formatVersion)
	case r.Failures < 1:
		return record{}, fmt.Errorf("%d failures", r.Failures)
	case r.TriedAt.IsZero() || r.NextTry.Before(r.TriedAt):
		return record{}, errors.New("the next try is before the last")
	}
	r.LastError = printable(r.LastError)
	return r, nil
}

// parseJSON accepts one object whose fields are all known.
func parseJSON(data []byte, into any) error {
	if len(data) > maxFile {
		return fmt.Errorf("larger than %d bytes", maxFile)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text after the end")
	}
	return nil
}

func fingerprint(cert *tls.Certificate) string {
	if cert == nil {
		return ""
	}
	sum := sha256.Sum256(cert.Leaf.Raw)
	return hex.EncodeToString(sum[:])
}
