package certificate_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/certificate"
)

var began = time.Date(2020, 8, 14, 8, 0, 0, 0, time.UTC)

func at(now time.Time) certificate.Maker {
	return certificate.Maker{Rand: rand.Reader, Now: func() time.Time { return now }}
}

func ensure(t *testing.T, m certificate.Maker, dir string, want bool, hosts ...string) []byte {
	t.Helper()
	made, err := m.Ensure(dir, hosts)
	if err != nil || made != want {
		t.Fatalf("made %t, %v; expected %t", made, err, want)
	}
	data, err := os.ReadFile(certificate.Service(dir))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A client that trusts the authority, and nothing else, is sure of whom it talks to.
func TestAClientOfTheAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	ensure(t, at(began), dir, true, "192.168.24.2", "undercloud.rnd", "fd00::1")
	pair, err := tls.LoadX509KeyPair(certificate.Service(dir), certificate.Service(dir))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(certificate.Authority(dir))
	if err != nil || bytes.Contains(ca, []byte("KEY")) {
		t.Fatalf("%v; the authority's file for clients is\n%s", err, ca)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	for name, ok := range map[string]bool{"192.168.24.2": true, "undercloud.rnd": true, "fd00::1": true, "192.168.24.3": false, "other.rnd": false} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: began})
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for path, mode := range map[string]os.FileMode{certificate.Service(dir): 0o600, filepath.Join(dir, "ca.key"): 0o600, certificate.Authority(dir): 0o644, dir: 0o700} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; expected mode %o", path, st.Mode(), err, mode)
		}
	}
}

// A certificate stays as long as it will do, and the authority stays.
func TestWhatStays(t *testing.T) {
	dir := t.TempDir()
	first := ensure(t, at(began), dir, true, "a.rnd")
	ca, _ := os.ReadFile(certificate.Authority(dir))
	if !bytes.Equal(first, ensure(t, at(began.AddDate(3, 0, 0)), dir, false, "a.rnd")) {
		t.Error("a certificate that is good was replaced")
	}
	ensure(t, at(began.AddDate(4, 1, 0)), dir, true, "a.rnd")          // its last year
	ensure(t, at(began.AddDate(4, 1, 0)), dir, true, "a.rnd", "b.rnd") // another host
	ensure(t, at(began.AddDate(4, 1, 0)), dir, true, "b.rnd")          // one less
	ensure(t, at(began.AddDate(4, 1, 0)), dir, false, "b.rnd")
	for _, gone := range []string{certificate.Service(dir), certificate.Authority(dir)} { // killed between two files
		if err := os.Remove(gone); err != nil {
			t.Fatal(err)
		}
		ensure(t, at(began.AddDate(4, 1, 0)), dir, gone == certificate.Service(dir), "b.rnd")
	}
	if now, _ := os.ReadFile(certificate.Authority(dir)); !bytes.Equal(now, ca) {
		t.Error("the authority is another one: clients do not trust it")
	}
}

// A certificate made while the clock was ahead is made anew, and a service makes no authority.
func TestClockAheadAndMissingAuthority(t *testing.T) {
	dir := t.TempDir()
	ensure(t, at(began.AddDate(1, 0, 0)), dir, true, "a.rnd")
	ensure(t, at(began), dir, true, "a.rnd")
	if made, err := at(began).Renew(dir, []string{"a.rnd"}); made || err != nil {
		t.Errorf("%t, %v", made, err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := at(began).Renew(dir, []string{"a.rnd"}); !errs.Is(err, errs.NotFound) || errs.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

// An authority that cannot be read is not replaced: clients trust the old one.
func TestBrokenAuthority(t *testing.T) {
	dir := t.TempDir()
	ensure(t, at(began), dir, true, "a.rnd")
	path := filepath.Join(dir, "ca.key")
	whole, _ := os.ReadFile(path)
	for _, broken := range [][]byte{nil, []byte("x"), whole[:len(whole)/2]} {
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := at(began).Ensure(dir, []string{"a.rnd"}); !errs.Is(err, errs.Invalid) || errs.HintOf(err) == "" || !bytes.Contains([]byte(err.Error()), []byte(path)) {
			t.Errorf("%q: %v", broken, err)
		}
	}
}
