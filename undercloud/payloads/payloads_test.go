package payloads

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func names(t *testing.T, d *Dir) string {
	t.Helper()
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestTheOldestGoFirst(t *testing.T) {
	d := &Dir{Path: filepath.Join(t.TempDir(), "kept"), MaxFiles: 4, MaxBytes: 13}
	age := func(name string, minutes int) {
		at := time.Now().Add(-time.Duration(minutes) * time.Minute)
		if err := os.Chtimes(filepath.Join(d.Path, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		name := fmt.Sprintf("f%d", i)
		path, err := d.Keep(name, []byte("1"))
		if err != nil || path != filepath.Join(d.Path, name) {
			t.Fatalf("%s %v", path, err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode() != 0o600 {
			t.Errorf("%v %v", st, err)
		}
		age(name, 10-i)
	}
	if got := names(t, d); got != "f1 f2 f3" {
		t.Errorf("by number: %s", got)
	}
	if err := os.WriteFile(filepath.Join(d.Path, ".new-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Keep("big", []byte("123456789")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, d); got != "big f3" {
		t.Errorf("by size: %s", got)
	}
	if _, err := d.Keep("f3", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(d.Path, "f3")); err != nil || string(data) != "x" {
		t.Errorf("replaced: %q %v", data, err)
	}
}

func TestWhatCannotBeKept(t *testing.T) {
	d := &Dir{Path: t.TempDir(), MaxBytes: 13}
	for _, name := range []string{"", "../x", "a/b", ".hidden", "a b", strings.Repeat("x", 201)} {
		if _, err := d.Keep(name, nil); err == nil || !strings.Contains(err.Error(), "no plain name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := d.Keep("large", []byte("12345678901")); err == nil || !strings.Contains(err.Error(), "11 bytes are more than the 10") {
		t.Errorf("%v", err)
	}
	if got := names(t, d); got != "" {
		t.Errorf("%s", got)
	}
}

// Whoever is on the provisioning network may send inventories of machines that there are not: the logs of
// nodes stay, and so does the rest of the room.
func TestStrangersPushOutStrangersOnly(t *testing.T) {
	d := &Dir{Path: t.TempDir()}
	keep := func(name string, size int) {
		t.Helper()
		if _, err := d.Keep(name, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	count := func(begin string) int {
		found, err := filepath.Glob(filepath.Join(d.Path, begin+"*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for i := range 20 {
		keep(fmt.Sprintf("logs-%d.tar.gz", i), 1000)
	}
	for i := range 205 {
		keep(fmt.Sprintf("%s52-54-00-00-00-%02x.json", Strangers, i), 10)
	}
	for i := range 10 {
		keep(fmt.Sprintf("%s52-54-00-00-01-%02x.json", Strangers, i), 8<<20)
	}
	if got := count("logs-"); got != 20 {
		t.Errorf("strangers left %d of 20 nodes' logs", got)
	}
	if got := count(Strangers); got == 0 || got > 50 {
		t.Errorf("%d payloads of strangers are kept", got)
	}
	if got := count(Strangers + "52-54-00-00-01-"); got != 8 {
		t.Errorf("%d large payloads of strangers are kept", got)
	}
	for i := range 205 {
		keep(fmt.Sprintf("logs-more-%d.tar.gz", i), 1)
	}
	if got := count("logs-"); got != 150 {
		t.Errorf("%d logs are kept", got)
	}
}
