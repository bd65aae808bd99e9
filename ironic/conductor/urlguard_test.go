package conductor_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic/conductor"
)

func guard() *conductor.URLGuard {
	return &conductor.URLGuard{Ports: []uint16{6385, 80}, Addresses: func() ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
	}}
}

func TestURLsThatLeadWhereClientsMayNotLookAreRefused(t *testing.T) {
	for raw, words := range map[string]string{
		"ftp://example.org/x":                           "not an http or https URL",
		"http:///x":                                     "not an http or https URL",
		"http://192.0.2.1:6385/v1/nodes":                "this service itself",
		"http://192.0.2.1/x":                            "this service itself",
		"http://[::ffff:192.0.2.1]:6385/v1":             "this service itself",
		"http://localhost:6385/v1":                      "this service itself",
		"http://127.0.0.1:9000/x":                       "loopback",
		"http://db.localhost:9000/x":                    "loopback",
		"http://[::1]:9000/x":                           "loopback",
		"http://169.254.169.254/latest/meta-data":       "link-local",
		"http://[fe80::1%25eth0]/x":                     "link-local",
		"http://[::ffff:169.254.169.254]/x":             "link-local",
		"http://[fd00:ec2::254]/latest":                 "metadata",
		"http://0.0.0.0:6385/":                          "no machine's address",
		"http://224.0.0.1/":                             "no machine's address",
		"http://example.org:70000/x":                    "from 1 to 65535",
		"https://u:hunter2@127.0.0.1/x?Signature=abcde": "https://127.0.0.1/x is refused",
	} {
		err := guard().Check(raw)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", raw, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") || err != nil && strings.Contains(err.Error(), "abcde") {
			t.Errorf("%s: a secret is in the error: %v", raw, err)
		}
	}
}

func TestURLsOfImageServersPass(t *testing.T) {
	for _, raw := range []string{"http://192.0.2.1:8080/image", "https://example.org/a?b=c", "http://192.0.2.7/x", "http://[2001:db8::7]:80/x"} {
		if err := guard().Check(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	g := guard()
	g.Loopback = true
	if err := g.Check("http://127.0.0.1:9000/x"); err != nil {
		t.Errorf("loopback was allowed: %v", err)
	}
	if err := g.Check("http://127.0.0.1:6385/x"); !errs.Is(err, errs.Invalid) {
		t.Errorf("the service itself, over loopback: %v", err)
	}
}

func TestFilesThatArePrivateAreNotHandedOut(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, hidden := write("images/good", 0o644), write("images/hidden", 0o640)
	state, outside := write("state/undercloud.db", 0o644), write("elsewhere/x", 0o644)
	link := filepath.Join(dir, "images", "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	g := &conductor.URLGuard{Files: []string{filepath.Join(dir, "images"), filepath.Join(dir, "state")}, Private: []string{filepath.Join(dir, "state")}}
	for path, words := range map[string]string{
		hidden: "everybody may read", state: "keeps its own files", outside: "none of the directories", link: "none of the directories",
		filepath.Join(dir, "images/../elsewhere/x"): "none of the directories", "/etc/hostname": "keeps its own files", "/proc/self/environ": "keeps its own files",
		"images/good": "absolute path", filepath.Join(dir, "images"): "everybody may read",
	} {
		if _, err := g.File("image_source", path); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, expected %q", path, err, words)
		}
	}
	if got, err := g.File("image_source", good); err != nil || filepath.Base(got) != "good" {
		t.Errorf("%s, %v", got, err)
	}
}
