package libvirt

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

// A parameter that is not known would lead to another hypervisor than the one meant.
func TestUnknownParametersAreRefused(t *testing.T) {
	for uri, want := range map[string][2]string{
		"qemu:///system?sock=/x":               {`the parameter "sock" is unknown`, `the transport unix has name, socket; did you mean "socket"?`},
		"qemu+unix:///system?Socket=/x":        {`the parameter "Socket" is unknown`, `did you mean "socket"?`},
		"qemu:///system?keyfile=/k":            {`the parameter "keyfile" is unknown`, "the transport unix has name, socket"},
		"qemu+tcp://h/system?socket=/x":        {`the parameter "socket" is unknown`, "the transport tcp has name"},
		"qemu+tls://h/system?pki_path=/x":      {`the parameter "pki_path" is unknown`, `did you mean "pkipath"?`},
		"qemu://h/system?noverify=1":           {`the parameter "noverify" is unknown`, `the transport tls has name, no_verify, pkipath; did you mean "no_verify"?`},
		"qemu+ssh://u:p@h/system?key_file=/k":  {`libvirt URI "qemu+ssh://u:***@h/system?key_file=/k": the parameter "key_file" is unknown`, `did you mean "keyfile"?`},
		"qemu+ssh://h/system?no_verify=yes":    {`no_verify is "yes"`, "expected 0 or 1"},
		"qemu:///system?socket=/x;name=y":      {"the parameters cannot be read", "NAME=VALUE"},
		"qemu+ssh://h/system?socket=/x&mode=a": {`the parameter "mode" is unknown`, "the transport ssh has keyfile"},
	} {
		err := CheckURI(uri)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want[0]) || !strings.Contains(errs.HintOf(err), want[1]) {
			t.Errorf("%s: %v (%s)", uri, err, errs.HintOf(err))
		}
	}
	for _, uri := range []string{
		"qemu:///system?socket=/x&name=test:///default", "qemu+tcp://h/system?name=x",
		"qemu+tls://h/system?no_verify=1&pkipath=/p", "qemu+ssh://h/system?keyfile=/k&no_tty=1&no_verify=0&socket=/x",
	} {
		if err := CheckURI(uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// no_verify of ssh is followed: a key of a host that nobody has seen is taken.
func TestSSHTakesAnUnknownKeyWhenToldTo(t *testing.T) {
	program(t, "ssh", `for a; do case $a in StrictHostKeyChecking=*) echo "$a" >&2;; esac; done; exit 255`)
	for uri, want := range map[string]bool{"qemu+ssh://h/system?no_verify=1": true, "qemu+ssh://h/system?no_verify=0": false} {
		if _, err := Dial(t.Context(), uri); err == nil || strings.Contains(err.Error(), "StrictHostKeyChecking=no") != want {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// Only a daemon that is not there is one that may have to be started.
func TestNotListening(t *testing.T) {
	dir := t.TempDir()
	refused := filepath.Join(dir, "dead")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: refused, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	program(t, "nc", "exit 1") // the host of the tests may have none
	program(t, "ssh", `case "$*" in *denied*) echo "Permission denied" >&2;; *) for script; do :; done; eval "exec sh -c $script";; esac; exit 255`)
	for uri, want := range map[string]bool{
		"qemu:///system?socket=" + refused:                              true,
		"qemu:///system?socket=" + filepath.Join(dir, "none"):           true,
		"qemu+tcp://" + free.Addr().String() + "/system":                true,
		"qemu+ssh://h/system?socket=" + filepath.Join(dir, "none"):      true,
		"qemu+ssh://denied/system":                                      false,
		"qemu+tls://" + free.Addr().String() + "/system?pkipath=" + dir: false, // no certificate
		"qemu+sstp://h/system":                                          false,
	} {
		if _, err := Dial(t.Context(), uri); err == nil || IsNotListening(err) != want {
			t.Errorf("%s: %v, want %v", uri, err, want)
		}
	}
	for _, err := range []error{nil, errors.New("other"), &Error{Op: "connect", Code: CodeNoConnect, Msg: "no connection driver available for xen:///"}} {
		if IsNotListening(err) {
			t.Errorf("%v", err)
		}
	}
}
