// Package pkitest makes certificates for tests of libvirt over TLS.
package pkitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Make writes an authority of its own, and what it certifies, into dir, under the names that
// libvirt looks for (https://libvirt.org/kbase/tlscerts.html): cacert.pem, clientcert.pem and
// clientkey.pem, and for a server on 127.0.0.1 servercert.pem and serverkey.pem.
func Make(t testing.TB, dir string) {
	t.Helper()
	ca := &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	key := certify(t, dir, "ca", ca, nil, nil)
	certify(t, dir, "server", leaf("server of a test", x509.ExtKeyUsageServerAuth), ca, key)
	certify(t, dir, "client", leaf("client of a test", x509.ExtKeyUsageClientAuth), ca, key)
}

func leaf(name string, usage x509.ExtKeyUsage) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
}

// certify writes a certificate and its key, which it returns; without an authority it is one.
func certify(t testing.TB, dir, name string, c, by *x509.Certificate, with *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by, with = c, key
	}
	c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c.NotBefore, c.NotAfter, c.BasicConstraintsValid = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour), true
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, with)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+"cert.pem"), "CERTIFICATE", der)
	write(t, filepath.Join(dir, name+"key.pem"), "PRIVATE KEY", secret)
	return key
}

// write makes a file that a daemon of another user can read: it protects nothing.
func write(t testing.TB, path, kind string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o644); err != nil {
		t.Fatal(err)
	}
}
