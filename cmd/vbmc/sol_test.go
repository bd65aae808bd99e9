package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmitest"
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

// serial is a machine in memory that runs, its BMC, and a home whose vBMC "a" is that one.
func serial(t *testing.T) (b *ipmitest.BMC, home string) {
	t.Helper()
	b, home = ipmitest.Serve(t, ipmi.Config{}), t.TempDir()
	if err := b.Machine.On(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(home, ".vbmc", "a")
	text := fmt.Sprintf("[VirtualBMC]\nusername = %s\npassword = %s\naddress = 127.0.0.1\nport = %d\n", ipmitest.Username, ipmitest.Password, b.Port)
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return b, home
}

// seat is a person at `vbmc sol`, a process of its own.
type seat struct {
	t    *testing.T
	cmd  *exec.Cmd
	keys io.WriteCloser
	sees io.ReadCloser
	told bytes.Buffer // on standard error
}

func sit(t *testing.T, home, name string, args ...string) *seat {
	t.Helper()
	s := &seat{t: t, cmd: exec.CommandContext(t.Context(), name, args...)}
	s.cmd.Env = append(os.Environ(), "HOME="+home)
	s.cmd.Stderr = &s.told
	var err1, err2 error
	s.keys, err1 = s.cmd.StdinPipe()
	s.sees, err2 = s.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, s.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	return s
}

// see reads until text came, and gives all that came.
func (s *seat) see(text string) string {
	s.t.Helper()
	var got strings.Builder
	buf := make([]byte, 256)
	for !strings.Contains(got.String(), text) {
		n, err := s.sees.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			s.t.Fatalf("%v after %q, want %q", err, got.String(), text)
		}
	}
	return got.String()
}

func (s *seat) press(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, keys); err != nil {
		s.t.Fatal(err)
	}
}

// hangUp is the end of a pipe.
func (s *seat) hangUp() {
	s.t.Helper()
	if err := s.keys.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// leaves waits for the end and gives what else was seen.
func (s *seat) leaves(code int, told string) (seen string) {
	s.t.Helper()
	rest, _ := io.ReadAll(s.sees)
	_ = s.cmd.Wait()
	if got := s.cmd.ProcessState.ExitCode(); got != code || !strings.Contains(s.told.String(), told) {
		s.t.Errorf("code %d, want %d and %q: %s", got, code, told, s.told.String())
	}
	return string(rest)
}

// eventually waits for what comes in its own time; the test's deadline ends the wait.
func eventually(ok func() bool) {
	for !ok() {
		time.Sleep(5 * time.Millisecond)
	}
}

// TestSOL: the console both ways, who has it, and its end.
func TestSOL(t *testing.T) {
	b, home := serial(t)
	eventually(func() bool { return b.Machine.Print("login: ") })
	first := sit(t, home, os.Args[0], "sol", "a")
	first.see("login: ")
	first.press("root\r~B~~")
	eventually(func() bool { return b.Machine.Typed() == "root\r~" && b.Machine.Breaks() == 1 })

	sit(t, home, os.Args[0], "sol", "a").leaves(exitFailed, "console of a: another session has the console\nhint: take it with --force\n")
	second := sit(t, home, os.Args[0], "sol", "a", "--force")
	first.leaves(exitFailed, "another session has taken the console")
	second.see("login: ") // what was printed before is shown anew
	second.press("\r~.")
	second.leaves(0, "Console of a. Type ~. at the beginning of a line to leave")
	eventually(func() bool { return b.Stats().Sessions == 0 })

	piped := sit(t, home, os.Args[0], "sol", "a")
	piped.press("reboot\r")
	piped.hangUp()
	piped.leaves(0, "")
	eventually(func() bool { return strings.HasSuffix(b.Machine.Typed(), "reboot\r") }) // the end loses nothing
}

// TestSOLOfNothing: what could not be done is a failure.
func TestSOLOfNothing(t *testing.T) {
	const noConsole, ended = "[vbmc: no console: ", "console of a: the BMC has ended it: there is no console to be had\n"
	remove := func(b *ipmitest.BMC) { b.Machine.RemoveConsole() }
	look := func(*seat) {}
	for name, c := range map[string]struct {
		before func(*ipmitest.BMC)
		first  func(*seat) // before anything is seen
		seen   string
		then   func(*seat)
		told   string
	}{
		"no console":                     {remove, look, noConsole, look, ended},
		"no console and no key":          {remove, (*seat).hangUp, noConsole, look, ended},
		"no console, and keys of a pipe": {remove, func(s *seat) { s.press("reboot\r"); s.hangUp() }, noConsole, look, ended},
		"off":                            {func(b *ipmitest.BMC) { b.Machine.StopByOther() }, look, "[vbmc: the machine is off", func(s *seat) { s.press("reboot\r~.") }, "console of a: what was typed was not taken: "},
	} {
		t.Run(name, func(t *testing.T) {
			b, home := serial(t)
			c.before(b)
			s := sit(t, home, os.Args[0], "sol", "a")
			c.first(s)
			s.see(c.seen)
			c.then(s)
			s.leaves(exitFailed, c.told)
			eventually(func() bool { return b.Stats().Sessions == 0 })
		})
	}
}

// TestSOLWithoutItsBMC says what to do.
func TestSOLWithoutItsBMC(t *testing.T) {
	_, home := serial(t)
	config := filepath.Join(home, ".vbmc", "a", "config")
	wrong := strings.Replace(read(t, config), "password = "+ipmitest.Password, "password = another", 1)
	if err := os.WriteFile(config, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	s := sit(t, home, os.Args[0], "sol", "a")
	s.leaves(exitFailed, "wrong password or BMC key")
	if !strings.Contains(s.told.String(), "vbmc doctor a") || strings.Contains(s.told.String(), "another") {
		t.Errorf("%s", s.told.String())
	}
	sit(t, home, os.Args[0], "sol", "b").leaves(exitFailed, "No domain with matching name b was found")
}

// TestSOLOnATerminal, which script(1) gives it: each key goes to the guest as it is, ^C too,
// nothing is echoed, and the terminal is afterwards as it was.
func TestSOLOnATerminal(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("script(1) of util-linux is not there: ", err)
	}
	b, home := serial(t)
	eventually(func() bool { return b.Machine.Print("login: ") })
	s := sit(t, home, "script", "-qfec", "stty -g; '"+os.Args[0]+"' sol a; echo code $?; stty -g", "/dev/null")
	before, _, _ := strings.Cut(s.see("login: "), "\r\n")
	const keys = "root\r\x03\x04\x1a\x11\n"
	s.press(keys)
	eventually(func() bool { return b.Machine.Typed() == keys })
	b.Machine.Print("$ ")
	if seen := s.see("$ "); strings.Contains(seen, "root") {
		t.Errorf("the terminal shows what is typed: %q", seen)
	}
	s.press("~.")
	if rest := s.leaves(0, ""); !strings.HasSuffix(rest, "code 0\r\n"+before+"\r\n") || before == "" {
		t.Errorf("the terminal was %q; seen after it: %q", before, rest)
	}
}
