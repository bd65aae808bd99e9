package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that has no secret makes no BMC without one: add and edit name the file and what
// to write, before the daemon is asked.
func TestFilesWithoutASecretAreRefused(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "f")
	for text, want := range map[string]string{
		"":                   "the file is empty",
		"\nquartz\n":         "its first line is empty",
		"\r\n":               "its first line is empty",
		"qua\x00rtz\n":       "its first line has a NUL byte",
		"\xff\xfeq\x00u\x00": "its first line has a NUL byte", // UTF-16
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"add a --password-file ", "add a --kg-file ", "edit a --password-file ", "edit a --kg-file "} {
			code, _, errs := vbmc(t, home, strings.Fields("--no-daemon "+line+file)...)
			flag := strings.Fields(line)[2]
			if code != exitFailed || !strings.Contains(errs, flag+" '"+file+"': "+want) || !strings.Contains(errs, "hint: write the ") || strings.Contains(errs, "rtz") {
				t.Errorf("%s %q: code %d, %s", line, text, code, errs)
			}
		}
	}
	for _, line := range []string{"add a --password-file=", "edit a --kg-file="} { // an empty variable of a script
		if code, _, errs := vbmc(t, home, strings.Fields("--no-daemon "+line)...); code != exitFailed || !strings.Contains(errs, "expected the name of a file") {
			t.Errorf("%s: code %d, %s", line, code, errs)
		}
	}
}

// The first line is all of it, whatever ends it; blanks are left for the daemon to refuse.
func TestTheFirstLineIsTheSecret(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "f")
	for _, text := range []string{"secret", "secret\n", "secret\r\nmore\x00"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		// With a secret it is the daemon that is missing.
		if code, _, errs := vbmc(t, home, "--no-daemon", "edit", "a", "--password-file", file); code != exitFailed || !strings.Contains(errs, "is not running") {
			t.Errorf("%q: code %d, %s", text, code, errs)
		}
	}
}
