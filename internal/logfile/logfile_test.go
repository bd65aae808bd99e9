package logfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"trefoil/internal/logfile"
)

func TestEnd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	for _, c := range []struct {
		text  string
		limit int64
		want  string
	}{
		{"", 4, ""},
		{"one\ntwo\n", 100, "one\ntwo\n"},
		{"one\ntwo\n", 8, "one\ntwo\n"},
		{"one\ntwo\n", 6, "two\n"},
		{"password=secret\n", 8, ""}, // half a line is none
		{"password=secret", 4, ""},   // even where it has no end
	} {
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := logfile.End(name, c.limit); err != nil || string(got) != c.want {
			t.Errorf("%q, %d bytes: %q, %v; want %q", c.text, c.limit, got, err, c.want)
		}
	}
	if _, err := logfile.End(name+"x", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
