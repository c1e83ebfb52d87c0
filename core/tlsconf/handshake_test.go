package tlsconf_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/alkdev/alknet/core/tlsconf"
)

func selfSigned(t testing.TB, key crypto.Signer, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func ed25519Certificate(t testing.TB) tls.Certificate {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return selfSigned(t, key)
}

func p256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newServer(t testing.TB, alpns ...string) *tlsconf.Server {
	t.Helper()
	key := p256(t)
	s := &tlsconf.Server{
		Node: ed25519Certificate(t),
		Web:  &tlsconf.WebCertificates{Key: func(uint64) (crypto.Signer, error) { return key, nil }},
	}
	s.NodeALPNs, s.WebALPNs = tlsconf.Split(alpns)
	return s
}

// result is what a client saw of a handshake, and the server's state.
type result struct {
	client, server tls.ConnectionState
	asked          bool // for a client certificate
	err            error
	alert          string // that the server sent
}

func (r *result) leafKey() any {
	if len(r.client.PeerCertificates) == 0 {
		return nil
	}
	return r.client.PeerCertificates[0].PublicKey
}

func clientConfig(r *result, config *tls.Config) *tls.Config {
	config = config.Clone()
	config.InsecureSkipVerify = true
	if config.GetClientCertificate == nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			r.asked = true
			return &tls.Certificate{}, nil
		}
	}
	return config
}

func overTCP(t testing.TB, server, client *tls.Config) *result {
	t.Helper()
	r := &result{}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp4", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, s := tls.Client(dialed, clientConfig(r, client)), tls.Server(accepted, server)
	defer c.Close()
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		if err == nil {
			s.CloseWrite()
		}
		done <- err
	}()
	clientErr := c.Handshake()
	if clientErr == nil {
		_, clientErr = io.Copy(io.Discard, c) // takes the session ticket in
	}
	r.err = <-done
	s.Close()
	r.client, r.server = c.ConnectionState(), s.ConnectionState()
	r.alert = alertText(clientErr)
	return r
}

func alertText(err error) string {
	var alert tls.AlertError
	var op *net.OpError
	switch {
	case errors.As(err, &alert):
		return alert.Error()
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return ""
}

// overQUIC runs the TLS part of a QUIC handshake (RFC 9001) in memory.
func overQUIC(t testing.TB, server, client *tls.Config) *result {
	t.Helper()
	r := &result{}
	cc := clientConfig(r, client)
	cc.MinVersion = tls.VersionTLS13
	sc := server.Clone()
	sc.MinVersion = tls.VersionTLS13
	c := tls.QUICClient(&tls.QUICConfig{TLSConfig: cc})
	s := tls.QUICServer(&tls.QUICConfig{TLSConfig: sc})
	defer c.Close()
	defer s.Close()
	c.SetTransportParameters(nil)
	s.SetTransportParameters(nil)
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	ticketSent := false
	for moved := true; moved; {
		toServer, _, err := drain(c, s)
		if err != nil {
			r.err, r.alert = err, alertText(err)
			return r
		}
		toClient, finished, err := drain(s, c)
		if err != nil {
			r.err = err
			return r
		}
		moved = toServer || toClient
		if finished && !ticketSent {
			ticketSent, moved = true, true
			if err := s.SendSessionTicket(tls.QUICSessionTicketOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.client, r.server = c.ConnectionState(), s.ConnectionState()
	return r
}

// drain carries what from has to say, and returns the error of to.
func drain(from, to *tls.QUICConn) (moved, finished bool, err error) {
	for {
		switch e := from.NextEvent(); e.Kind {
		case tls.QUICNoEvent:
			return moved, finished, nil
		case tls.QUICWriteData:
			moved = true
			if err := to.HandleData(e.Level, e.Data); err != nil {
				return moved, finished, err
			}
		case tls.QUICHandshakeDone:
			finished = true
		}
	}
}
