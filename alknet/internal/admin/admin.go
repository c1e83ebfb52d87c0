// Package admin is how the commands on this machine talk to the running node:
// requests in JSON over HTTP on a Unix socket that only the node's own user
// can reach. docs/decisions tells why it is HTTP.
package admin

import (
	"time"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
)

// Status is what 'alknet status' shows.
type Status struct {
	NodeID      string       `json:"node_id"`
	Version     string       `json:"version"`
	PID         int          `json:"pid"`
	Started     time.Time    `json:"started"`
	Listen      []string     `json:"listen"`
	ALPNs       []string     `json:"alpns"`
	Peers       int          `json:"peers"`
	Tokens      int          `json:"tokens"`
	Connections []Connection `json:"connections"`
	Warnings    []string     `json:"warnings,omitempty"`
}

// Connection is one live connection.
type Connection struct {
	Since      time.Time `json:"since"`
	RemoteAddr string    `json:"remote_addr"`
	Transport  string    `json:"transport"`
	ALPN       string    `json:"alpn"`
	Peer       string    `json:"peer,omitempty"`
}

// Identity is what 'alknet id' shows, and the certificate with which the
// commands show themselves elsewhere while the node signs for them.
type Identity struct {
	Certificate []byte   `json:"certificate"` // DER
	SSHHostKey  string   `json:"ssh_host_key"`
	WebCerts    []string `json:"web_cert_sha256"` // hex: the one in use, the next
}

// ReloadResult tells what a reload could not apply.
type ReloadResult struct {
	NeedsRestart []string `json:"needs_restart,omitempty"`
}

// Backend is the node as the socket sees it. All functions are required and
// may be called concurrently.
type Backend struct {
	Status   func() Status
	Reload   func() (ReloadResult, error)
	Stop     func(now bool) // returns at once
	Change   func(peerbook.Change) error
	Identity func() (Identity, error)
	Sign     func(message []byte) ([]byte, error) // TLS 1.3 CertificateVerify only
}

// maxBody bounds a request; the largest is a change of one peer.
const maxBody = 1 << 20
