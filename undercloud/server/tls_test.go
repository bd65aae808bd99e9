package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/server"
)

// certFiles writes a self-signed certificate for 127.0.0.1 and returns its pool.
func certFiles(t *testing.T, dir, name string, until time.Time) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-48 * time.Hour),
		NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, data := range map[string][]byte{"cert.pem": certPEM, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

// selfSigned makes both sides of TLS; the client speaks HTTP/2.
func selfSigned(t *testing.T) (*http.Client, *tls.Config) {
	t.Helper()
	dir := t.TempDir()
	pool := certFiles(t, dir, "self", time.Now().Add(time.Hour))
	cfg, err := server.LoadTLS(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}, cfg
}

func TestTLSAndItsRenewal(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := certFiles(t, dir, "first", time.Now().Add(time.Hour))
	cfg, err := server.LoadTLS(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(slog.New(slog.DiscardHandler))
	s.AddService(server.Service{Name: "baremetal", Addr: "127.0.0.1:0", TLS: cfg, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	})})
	ctx, cancel := context.WithCancel(t.Context())
	ls, err := s.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ls) }()
	ask := func(pool *x509.CertPool) error {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
		resp, err := c.Get("https://" + ls[0].Addr().String())
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := ask(pool); err != nil {
		t.Fatal(err)
	}
	second := certFiles(t, dir, "second, renewed", time.Now().Add(time.Hour))
	if err := ask(second); err != nil {
		t.Errorf("the renewed certificate is not used: %v", err)
	}
	if err := os.WriteFile(cert, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ask(second); err != nil {
		t.Errorf("rubbish took the old certificate away: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTLSFilesThatCannotBeUsedAreRefused(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := server.LoadTLS(cert, key, log); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), cert) {
		t.Errorf("missing: %v", err)
	}
	certFiles(t, dir, "old", time.Now().Add(-time.Hour))
	if _, err := server.LoadTLS(cert, key, log); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("expired: %v", err)
	}
	certFiles(t, dir, "open", time.Now().Add(time.Hour))
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := server.LoadTLS(cert, key, log); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "mode 0644") {
		t.Errorf("open key: %v", err)
	}
}
