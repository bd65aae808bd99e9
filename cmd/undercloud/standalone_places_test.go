package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

// What the machine does not have is told with the line that asks for it.
func TestWhatTheMachineLacksIsToldWithItsLine(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "baremetal.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	state := "state_dir = " + filepath.Join(dir, "state") + "\n"
	for name, c := range map[string]struct{ text, words string }{
		"directory":     {"debug = true\nstate_dir = /dev/null/state\n", ":2: state_dir: mkdir /dev/null"},
		"listen":        {state + "allow_unauthenticated = true\nlisten = 192.0.2.99:6385\n", ":3: listen: listen for baremetal on 192.0.2.99:6385: "},
		"introspection": {state + "allow_unauthenticated = true\nlisten = 127.0.0.1:0\nintrospection_listen = 192.0.2.99:5050\n", ":4: introspection_listen: listen for introspection on 192.0.2.99:5050: "},
	} {
		path := write(c.text)
		var log bytes.Buffer
		if err := serveStandalone(t.Context(), path, &log); err == nil || !strings.HasPrefix(err.Error(), path+c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := write("state_dir = /dev/null/state\n")
	var log bytes.Buffer
	if err := serveStandalone(t.Context(), path, &log); !strings.Contains(errs.HintOf(err), "whom the service runs as") {
		t.Errorf("%v, hint %s", err, errs.HintOf(err))
	}
}

// A state directory that was there, and is open, is told of and left as it is.
func TestAnOpenStateDirectoryIsToldOf(t *testing.T) {
	for mode, told := range map[os.FileMode]bool{0o755: true, 0o711: true, 0o750: false, 0o700: false} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "baremetal.conf")
		if err := os.WriteFile(path, []byte("state_dir = "+dir+"\nallow_unauthenticated = true\nlisten = 192.0.2.99:6385\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if err := serveStandalone(t.Context(), path, &log); err == nil {
			t.Fatal("it listened at an address that it has not")
		}
		if strings.Contains(log.String(), "chmod 700 "+dir) != told {
			t.Errorf("mode %#o: %s", mode, log.String())
		}
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != mode {
			t.Errorf("mode %#o became %v %v", mode, st.Mode(), err)
		}
	}
}

// A ramdisk's inventory is what strangers send large bodies with, by all of its names.
func TestInventoriesAreTheLargePayloadsOfStrangers(t *testing.T) {
	for request, want := range map[string]bool{"POST /v1/continue_inspection": true, "POST /v1/continue_inspection/": true, "POST /v1/continue": true,
		"GET /v1/continue": false, "POST /v1/nodes": false, "PUT /v2/images/x/file": false} {
		method, path, _ := strings.Cut(request, " ")
		if got := newProgram(nil).srv.Stranger(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s: %v", request, got)
		}
	}
}

func TestServeTakesNoArguments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.conf")
	for _, args := range [][]string{{"--standalone", path, "extra"}, {"extra"}} {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"undercloud", "serve"}, args...), &out, &out); code != 1 || !strings.Contains(out.String(), `serve takes no arguments, and "extra" is one`) {
			t.Errorf("%v: %d %s", args, code, out.String())
		}
	}
}
