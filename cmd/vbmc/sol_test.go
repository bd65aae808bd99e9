package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// wireConsole notes what is typed; a break is "[B]".
type wireConsole struct{ typed bytes.Buffer }

func (w *wireConsole) Write(p []byte) (int, error) { return w.typed.Write(p) }
func (w *wireConsole) Read([]byte) (int, error)    { return 0, io.EOF }
func (w *wireConsole) SendBreak() error            { w.typed.WriteString("[B]"); return nil }

func TestEscapes(t *testing.T) {
	for in, want := range map[string]struct {
		typed string
		err   error // nil: left by ~.
	}{
		"ls\r~.rest":   {"ls\r", nil},
		"~.":           {"", nil},
		"a~.\r~.":      {"a~.\r", nil},
		"~Bx\r~B~.":    {"[B]x\r[B]", nil},
		"~~.\r~x":      {"~.\r~x", io.EOF},
		"no escape ~~": {"no escape ~~", io.EOF},
	} {
		var w wireConsole
		if err := typing(&w, strings.NewReader(in)); err != want.err || w.typed.String() != want.typed {
			t.Errorf("%q: typed %q, %v; want %q, %v", in, w.typed.String(), err, want.typed, want.err)
		}
	}
}
