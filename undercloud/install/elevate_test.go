package install

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

// sudo writes a program that stands in for sudo: it drops its own options and runs the rest, or refuses.
func sudo(t *testing.T, script string) func(string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sudo")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return func(string) (string, error) { return path, nil }
}

func TestAsRoot(t *testing.T) {
	t.Setenv("HOME", "/home/stack")
	t.Setenv("OS_PASSWORD", "s3cret")
	t.Setenv("PATH", "/home/stack/bin:/usr/bin") // a user's on Debian, where nft is in /usr/sbin
	const works = `while [ "$1" != true ] && [ "$1" != env ]; do shift; done; exec "$@"`
	user := func() int { return 1000 }
	var out bytes.Buffer
	e := Elevation{EUID: user, LookPath: sudo(t, works), Stdout: &out}
	exit, again, err := AsRoot(t.Context(), e, "/bin/sh", []string{"-c", `echo "$HOME"; exit 3`})
	if err != nil || !again || exit != 3 || out.String() != "/home/stack\n" {
		t.Errorf("exit %d, again %v, %v, output %q", exit, again, err, &out)
	}
	out.Reset()
	e.LookPath = sudo(t, `[ "$2" = true ] || printf '%s ' "$@"`)
	if exit, again, err = AsRoot(t.Context(), e, "/bin/sh", nil); err != nil || !again || exit != 0 {
		t.Errorf("exit %d, again %v, %v", exit, again, err)
	}
	if strings.Contains(out.String(), "s3cret") || !strings.HasPrefix(out.String(), "-n -- env PATH=/home/stack/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin HOME=/home/stack ") {
		t.Errorf("command line %q", &out)
	}
	for name, look := range map[string]func(string) (string, error){
		"no sudo":               func(string) (string, error) { return "", exec.ErrNotFound },
		"sudo wants a password": sudo(t, "exit 1"),
	} {
		e.LookPath = look
		if _, again, err = AsRoot(t.Context(), e, "/bin/sh", nil); again || !errs.Is(err, errs.Forbidden) || !strings.Contains(errs.HintOf(err), "sudoers") {
			t.Errorf("%s: again %v, %v, hint %q", name, again, err, errs.HintOf(err))
		}
	}
	e.EUID = func() int { return 0 }
	if _, again, err = AsRoot(t.Context(), e, "/bin/false", nil); again || err != nil {
		t.Errorf("root: again %v, %v", again, err)
	}
}
