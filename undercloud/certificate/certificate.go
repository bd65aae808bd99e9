// Package certificate keeps the undercloud's own certificate authority and the
// certificate of its public endpoints.
package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/secret"
)

// How long the authority and a certificate are good for. There is a new certificate
// when less than renew is left of the old one.
const (
	authorityLife = 20 * 365 * 24 * time.Hour
	life          = 5 * 365 * 24 * time.Hour
	renew         = 365 * 24 * time.Hour
)

// Dir is where authority and certificate are, in the state directory.
func Dir(stateDir string) string { return filepath.Join(stateDir, "tls") }

// Files of a directory: the authority's certificate, which clients need, and the
// service's certificate with its key in one file, which is replaced as a whole.
func Authority(dir string) string { return filepath.Join(dir, "ca.pem") }
func Service(dir string) string   { return filepath.Join(dir, "undercloud.pem") }

// Maker makes what is missing.
type Maker struct {
	Rand io.Reader
	Now  func() time.Time
}

// Ensure has a certificate for hosts (names and addresses) in dir and tells whether it
// made one: the one that is there stays while it is of this authority, for these hosts
// and good for another year. The authority is made once. It may be repeated, and killed
// at any point. A file that is there and cannot be read is Invalid.
func (m Maker) Ensure(dir string, hosts []string) (made bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	if _, err := os.Stat(keyPath(dir)); errors.Is(err, os.ErrNotExist) {
		if err := m.found(dir); err != nil {
			return false, err
		}
	}
	return m.Renew(dir, hosts)
}

// Renew is Ensure for an authority that is there, since clients trust it: one that is
// missing is NotFound.
func (m Maker) Renew(dir string, hosts []string) (made bool, err error) {
	ca, err := authority(dir)
	if err != nil {
		return false, err
	}
	old, err := os.ReadFile(Service(dir))
	if err == nil && m.good(old, ca.cert, hosts) {
		return false, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	now := m.Now()
	want := &x509.Certificate{Subject: pkix.Name{CommonName: hosts[0]}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			want.IPAddresses = append(want.IPAddresses, ip)
		} else {
			want.DNSNames = append(want.DNSNames, h)
		}
	}
	data, err := m.issue(want, ca)
	if err != nil {
		return false, err
	}
	return true, secret.WriteFile(Service(dir), data, 0o600)
}

// issuer signs.
type issuer struct {
	cert *x509.Certificate // nil: a certificate signs itself
	key  crypto.Signer
}

// keyPath has the authority's certificate and its key in one file, so that neither is
// without the other.
func keyPath(dir string) string { return filepath.Join(dir, "ca.key") }

// found makes an authority.
func (m Maker) found(dir string) error {
	now := m.Now()
	data, err := m.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "Undercloud CA " + now.UTC().Format(time.DateOnly)}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(authorityLife), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign}, issuer{})
	if err != nil {
		return err
	}
	return secret.WriteFile(keyPath(dir), data, 0o600)
}

// authority reads it, and has its certificate in a file for clients.
func authority(dir string) (issuer, error) {
	path := keyPath(dir)
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return issuer{}, errs.New(errs.NotFound, "the certificate authority %s is missing", path).
			WithHint("restore it from a backup, or openstack undercloud install, which makes one: clients then need the new %s", filepath.Base(Authority(dir)))
	}
	if err != nil {
		return issuer{}, err
	}
	cert, key, err := parse(data)
	if err != nil {
		return issuer{}, errs.Wrap(errs.Invalid, err, "the certificate authority %s cannot be read", path).
			WithHint("restore it, or remove %s and install again: clients then need the new %s", dir, filepath.Base(Authority(dir)))
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	if old, err := os.ReadFile(Authority(dir)); err == nil && bytes.Equal(old, public) {
		return issuer{cert, key}, nil
	}
	return issuer{cert, key}, secret.WriteFile(Authority(dir), public, 0o644)
}

// issue makes a key and a certificate for it, and returns both as PEM.
func (m Maker) issue(want *x509.Certificate, by issuer) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), m.Rand)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	if by.cert == nil {
		by = issuer{want, key}
	}
	if want.SerialNumber, err = serial(m.Rand); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(m.Rand, want, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}

// serial is a certificate's number: positive and of 20 bytes at most (RFC 5280 §4.1.2.2).
func serial(r io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	b[0] |= 1
	return new(big.Int).SetBytes(b), nil
}

func parse(data []byte) (*x509.Certificate, crypto.Signer, error) {
	first, rest := pem.Decode(data)
	if first == nil {
		return nil, nil, errors.New("no PEM certificate")
	}
	cert, err := x509.ParseCertificate(first.Bytes)
	if err != nil {
		return nil, nil, err
	}
	second, _ := pem.Decode(rest)
	if second == nil {
		return nil, nil, errors.New("no PEM key behind the certificate")
	}
	key, err := x509.ParsePKCS8PrivateKey(second.Bytes)
	if err != nil {
		return nil, nil, err
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok || !signer.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, errors.New("the key is not the certificate's")
	}
	return cert, signer, nil
}

// good tells whether a certificate may stay.
func (m Maker) good(data []byte, ca *x509.Certificate, hosts []string) bool {
	cert, _, err := parse(data)
	if err != nil || cert.CheckSignatureFrom(ca) != nil || cert.NotAfter.Before(m.Now().Add(renew)) || cert.NotBefore.After(m.Now()) ||
		len(cert.DNSNames)+len(cert.IPAddresses) != len(hosts) {
		return false
	}
	for _, h := range hosts {
		if cert.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}
