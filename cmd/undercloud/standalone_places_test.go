package main

import (
	"bytes"
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

func TestServeTakesNoArguments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.conf")
	for _, args := range [][]string{{"--standalone", path, "extra"}, {"extra"}} {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"undercloud", "serve"}, args...), &out, &out); code != 1 || !strings.Contains(out.String(), `serve takes no arguments, and "extra" is one`) {
			t.Errorf("%v: %d %s", args, code, out.String())
		}
	}
}
