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
	d := &Dir{Path: filepath.Join(t.TempDir(), "kept"), MaxFiles: 3, MaxBytes: 10}
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
	d := &Dir{Path: t.TempDir(), MaxBytes: 10}
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
