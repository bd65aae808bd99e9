package secret

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyFileIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	a, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := LoadKey(path)
	if err != nil || a != b {
		t.Errorf("second load gives another key (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "5 bytes, expected 32") {
		t.Errorf("a damaged key file: %v", err)
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	k := Key{1, 2, 3}
	if s := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(s, "1") {
		t.Errorf("a key prints as %s", s)
	}
}

func TestPasswords(t *testing.T) {
	a, err := Password(rand.Reader, 40)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Password(rand.Reader, 40)
	if err != nil || len(a) != 40 || a == b {
		t.Errorf("passwords %d long, equal %v, %v", len(a), a == b, err)
	}
	if _, err := Password(bytes.NewReader([]byte{1, 2}), 3); err == nil {
		t.Error("a password from too little randomness")
	}
}

func TestWriteFileReplacesWholeFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"a long first text", "short"} {
		if err := WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%d files are left, %v", len(list), err)
	}
	if err := WriteFile(filepath.Join(dir, "no", "f"), nil, 0o600); err == nil {
		t.Error("wrote into a directory that is not there")
	}
}
