package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxChain bounds the certificates of one chain.
const maxChain = 16

// encodeCertificate puts the key first: a file that ends early has no chain.
func encodeCertificate(key *ecdsa.PrivateKey, chain []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), chain...), nil
}

// parseCertificate reads what encodeCertificate made. It accepts only a key
// that matches a leaf that is for this name.
func parseCertificate(data []byte, name string) (*tls.Certificate, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	cert := new(tls.Certificate)
	var key any
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		switch block.Type {
		case "PRIVATE KEY":
			k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil || key != nil {
				return nil, errors.New("not exactly one readable private key")
			}
			key = k
		case "CERTIFICATE":
			if len(cert.Certificate) == maxChain {
				return nil, fmt.Errorf("more than %d certificates", maxChain)
			}
			cert.Certificate = append(cert.Certificate, block.Bytes)
		default:
			return nil, fmt.Errorf("unexpected PEM block %q", block.Type)
		}
	}
	// A chain that was cut inside a block ends in text that is no block.
	if len(bytes.TrimSpace(data)) > 0 {
		return nil, errors.New("ends in text that is not PEM")
	}
	return completeCertificate(cert, key, name)
}

func completeCertificate(cert *tls.Certificate, key any, name string) (*tls.Certificate, error) {
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("no ECDSA private key")
	}
	if len(cert.Certificate) == 0 {
		return nil, errors.New("no certificate")
	}
	for i, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		if i == 0 {
			cert.Leaf = c
		}
	}
	if !private.PublicKey.Equal(cert.Leaf.PublicKey) {
		return nil, errors.New("the key is not the certificate's")
	}
	if err := cert.Leaf.VerifyHostname(name); err != nil {
		return nil, err
	}
	if !cert.Leaf.NotAfter.After(cert.Leaf.NotBefore) {
		return nil, errors.New("the certificate ends before it begins")
	}
	cert.PrivateKey = private
	return cert, nil
}
