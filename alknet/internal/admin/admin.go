// Package admin is how the commands on this machine talk to the running node:
// the protocol alknet/call on a Unix socket that only the node's own user can
// reach. The socket offers what the node offers to other nodes, and the
// operations of this package, which nobody else finds: docs/decisions/0013.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/alkdev/alknet/alknet/internal/peerbook"
	"github.com/alkdev/alknet/call"
)

// Status is the answer of node/status.
type Status struct {
	NodeID      string       `json:"node_id" jsonschema:"the node's id in z-base-32"`
	Version     string       `json:"version" jsonschema:"of the program"`
	PID         int          `json:"pid" jsonschema:"number of the process"`
	Started     time.Time    `json:"started"`
	Listen      []string     `json:"listen" jsonschema:"addresses, host:port, the same for UDP and TCP"`
	ALPNs       []string     `json:"alpns" jsonschema:"protocols served"`
	Peers       int          `json:"peers" jsonschema:"how many are on the owner's list"`
	Tokens      int          `json:"tokens" jsonschema:"how many API keys have been given out"`
	Connections []Connection `json:"connections" jsonschema:"those being served, oldest first"`
	Links       []Link       `json:"links,omitempty" jsonschema:"the nodes whose operations are imported"`
	Warnings    []string     `json:"warnings,omitempty" jsonschema:"what the owner should look at"`
}

// Connection is one live connection.
type Connection struct {
	Since      time.Time `json:"since"`
	RemoteAddr string    `json:"remote_addr"`
	Transport  string    `json:"transport" jsonschema:"quic or tcp"`
	ALPN       string    `json:"alpn"`
	Peer       string    `json:"peer,omitempty" jsonschema:"who it is of; absent: nobody"`
}

// Link is the state of one import.
type Link struct {
	Name      string `json:"name" jsonschema:"of the other node, on this one"`
	Prefix    string `json:"prefix" jsonschema:"what its operations' names begin with here"`
	Connected bool   `json:"connected"`
	Error     string `json:"error,omitempty" jsonschema:"why its operations are not there; addresses only for the owner"`
}

// Identity is what 'alknet id' shows, and the certificate with which the
// commands show themselves elsewhere while the node signs for them.
type Identity struct {
	Certificate []byte   `json:"certificate" jsonschema:"X.509, DER"`
	SSHHostKey  string   `json:"ssh_host_key" jsonschema:"a line of OpenSSH"`
	WebCerts    []string `json:"web_cert_sha256" jsonschema:"in hex: the one in use, the next"`
}

// ReloadResult is the answer of node/reload.
type ReloadResult struct {
	NeedsRestart []string `json:"needs_restart,omitempty" jsonschema:"settings that have changed and are in force after the next start"`
}

// The operations that the commands use. Those of the namespace local are on the
// socket alone.
const (
	StatusName = "node/status"
	ReloadName = "node/reload"

	stopName     = "local/stop"
	changeName   = "local/change"
	identityName = "local/identity"
	signName     = "local/sign"
)

// The errors that the operations declare.
const (
	CodeConfigRefused = "CONFIG_REFUSED" // node/reload
	codeRefused       = "CHANGE_REFUSED"
)

// Backend is the node as the socket's own operations see it. All functions are
// required and may be called concurrently.
type Backend struct {
	Stop     func(now bool) // returns at once
	Change   func(peerbook.Change) error
	Identity func() (Identity, error)
	Sign     func(message []byte) ([]byte, error) // TLS 1.3 CertificateVerify only
}

type (
	stopInput struct {
		Now bool `json:"now,omitempty" jsonschema:"break off running work"`
	}
	signInput struct {
		Message []byte `json:"message" jsonschema:"what TLS 1.3 has a CertificateVerify sign"`
	}
	signOutput struct {
		Signature []byte `json:"signature" jsonschema:"Ed25519"`
	}
	nothing struct{}
)

// Register adds the socket's own operations to r.
func (b Backend) Register(r *call.Registry) error {
	admin := call.RequireScopes("admin")
	return errors.Join(
		call.Mutation(r, stopName, func(_ context.Context, in stopInput) (nothing, error) {
			b.Stop(in.Now)
			return nothing{}, nil
		}, admin, call.Describe("Stops the node: running work has the drain time to end. The answer comes before the end.")),
		call.Mutation(r, changeName, func(_ context.Context, in peerbook.Change) (nothing, error) {
			if err := b.Change(in); err != nil {
				return nothing{}, call.Errorf(codeRefused, "%w", err)
			}
			return nothing{}, nil
		}, admin, call.Describe("Changes peers or tokens, one thing at a time. It is in force when the answer comes."),
			call.Fails(call.ErrorSpec{Code: codeRefused, Description: "Nothing was changed; the message says why."})),
		call.Query(r, identityName, func(context.Context, nothing) (Identity, error) {
			return b.Identity()
		}, admin, call.Describe("Returns the node's public keys and its certificate.")),
		call.Query(r, signName, func(_ context.Context, in signInput) (signOutput, error) {
			sig, err := b.Sign(in.Message)
			return signOutput{sig}, err
		}, admin, call.Describe("Signs for a command that dials as the node while the vault is sealed by a passphrase. Anything but a CertificateVerify of TLS 1.3 is refused.")),
	)
}

// Refused makes the error of node/reload.
func Refused(err error) error {
	e := call.Errorf(CodeConfigRefused, "%w", err)
	e.Details, _ = json.Marshal(refusal{err.Error()}) // a string is always JSON
	return e
}

type refusal struct {
	Reason string `json:"reason"`
}

// ConfigRefused declares [CodeConfigRefused].
func ConfigRefused() call.ErrorSpec {
	return call.ErrorSpec{
		Code:        CodeConfigRefused,
		Description: "There is a fault in the new configuration; the old one is still in force.",
		Schema:      json.RawMessage(`{"type":"object","required":["reason"],"properties":{"reason":{"type":"string","description":"what is wrong, and in which file"}}}`),
		HTTPStatus:  422,
	}
}
