package libvirt

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program puts a shell script first on PATH.
func program(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestSSHSaysWhy: ssh's own words are in the error, on one line, and the password that
// somebody wrote into the URI is not.
func TestSSHSaysWhy(t *testing.T) {
	program(t, "ssh", `printf 'Warning: added h\r\n\033[31mroot@h: Permission denied (publickey,password).\n' >&2; exit 255`)
	_, err := Dial(t.Context(), "qemu+ssh://root:hunter2@h/system")
	if !IsUnavailable(err) || !strings.Contains(err.Error(), "ssh to h: Warning: added h; [31mroot@h: Permission denied (publickey,password).") {
		t.Errorf("%v", err)
	}
	if strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%q", err)
	}
}

// TestSSHIsNoMaster: with ControlMaster in the user's file ssh would make a socket, and
// ends where it cannot, as under vbmcd.service.
func TestSSHIsNoMaster(t *testing.T) {
	real, err := exec.LookPath("ssh")
	if err != nil {
		t.Skip("no ssh here: ", err)
	}
	conf := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(conf, []byte("Host h\n ControlMaster auto\n ControlPath /nowhere/%C\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, "ssh", `exec `+real+` -G -F `+conf+` "$@" | grep -i controlmaster >&2; exit 255`) // what it would do
	_, err = Dial(t.Context(), "qemu+ssh://root@h/system")
	if err == nil || !strings.Contains(err.Error(), "controlmaster false") {
		t.Errorf("%v", err)
	}
}

// TestSSHTriesAllSockets: the far side's shell joins the first that is there, whatever
// its path looks like, and says which it looked for when there is none.
func TestSSHTriesAllSockets(t *testing.T) {
	program(t, "nc", `echo "$1 $2"`)
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if err := os.Mkdir(filepath.Join(dir, "libvirt"), 0o700); err != nil {
		t.Fatal(err)
	}
	none, there := filepath.Join(dir, "libvirt-sock"), filepath.Join(dir, "it's $HOME")
	l, err := net.Listen("unix", there)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	run := func(sockets ...string) string {
		// As ssh does it: one line for the login shell.
		out, _ := exec.Command("sh", "-c", "sh -c "+shellQuote(farScript("", sockets))).CombinedOutput()
		return strings.TrimSpace(string(out))
	}
	if got := run(none, there); got != "-U "+there {
		t.Errorf("joined %q", got)
	}
	session, err := net.Listen("unix", filepath.Join(dir, "libvirt", "virtqemud-sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if got := run("libvirt-sock", "virtqemud-sock"); got != "-U "+filepath.Join(dir, "libvirt", "virtqemud-sock") {
		t.Errorf("of the user's own: joined %q", got)
	}
	program(t, "nc", `[ "$*" != -q ] || echo "nc: option requires an argument -- 'q'"; echo "$*"`)
	if got := run(there); got != "-q0 -U "+there {
		t.Errorf("joined %q", got)
	}
	if got := run(none, none+"2"); got != "no libvirt socket here: "+none+" "+none+"2" {
		t.Errorf("said %q", got)
	}
}

// TestLastWords: of an output without an end the end is kept.
func TestLastWords(t *testing.T) {
	var l lastWords
	for range 1000 {
		_, _ = io.WriteString(&l, "noise\n")
	}
	_, _ = io.WriteString(&l, "the reason\n")
	if s := l.String(); len(s) > 2*maxSaid || !strings.HasSuffix(s, "; the reason") {
		t.Errorf("%d bytes: %q", len(s), s)
	}
}

func TestShownURI(t *testing.T) {
	for uri, want := range map[string]string{
		"qemu:///system":                     "qemu:///system",
		"qemu+ssh://root@h:22/system":        "qemu+ssh://root@h:22/system",
		"qemu+ssh://root:p@ss@h:22/system":   "qemu+ssh://root:***@h:22/system",
		"qemu+tcp://[fe80::1]:1/system?x=a@": "qemu+tcp://[fe80::1]:1/system?x=a@",
		"://u:p@":                            "://u:***@",
		"qemu+tcp://root:p4ss/wd@h/system":   "qemu+tcp://root:***@h/system",
		"qemu+tcp://root:p4#s@swd@h/system":  "qemu+tcp://root:***@h/system",
		"root:p4sswd@host":                   "root:***@host",
		"qemu+tcp:root:p4sswd@host":          "qemu+tcp:***@host",
	} {
		if got := Shown(uri); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}
