package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// parts is a lifecycle whose APIs and boot services end with their context.
func parts(ready chan<- bool) lifecycle {
	wait := func(ctx context.Context) error { <-ctx.Done(); return nil }
	none := func(context.Context) error { return nil }
	return lifecycle{serve: wait, boot: wait, start: none, stop: none, ready: func(r bool) { ready <- r }}
}

// TestAPIsAnswerUntilJobsHaveStopped: a step that got no answer would record a failure.
func TestAPIsAnswerUntilJobsHaveStopped(t *testing.T) {
	ready := make(chan bool, 2)
	l := parts(ready)
	var order []string
	apis := make(chan struct{})
	l.serve = func(ctx context.Context) error {
		<-ctx.Done()
		close(apis)
		return nil
	}
	l.stop = func(ctx context.Context) error {
		select {
		case <-apis:
			order = append(order, "no answer")
		default:
			order = append(order, "answered")
		}
		if ctx.Err() != nil {
			order = append(order, "no time")
		}
		return nil
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx) }()
	if !<-ready {
		t.Error("never ready")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("an orderly stop: %v", err)
	}
	<-apis // closed in the end
	if !slices.Equal(order, []string{"answered"}) || <-ready {
		t.Errorf("while jobs stopped: %v", order)
	}
}

// TestAPartThatFailsEndsAll names the reason once, and stops the jobs.
func TestAPartThatFailsEndsAll(t *testing.T) {
	broken := errors.New("port is taken")
	fails := func(context.Context) error { return broken }
	for name, change := range map[string]func(*lifecycle){
		"boot": func(l *lifecycle) { l.boot = fails }, "serve": func(l *lifecycle) { l.serve = fails }, "start": func(l *lifecycle) { l.start = fails },
	} {
		l := parts(make(chan bool, 2))
		stopped := 0
		l.stop = func(context.Context) error { stopped++; return nil }
		change(&l)
		if err := l.run(t.Context()); !errors.Is(err, broken) || err.Error() != broken.Error() || stopped != 1 {
			t.Errorf("%s: %v, stopped %d times", name, err, stopped)
		}
	}
}

func TestASlipIsToldWithWhatMayBeMeant(t *testing.T) {
	for line, want := range map[string]string{
		"strat":               "undercloud: \"strat\" is no command; did you mean \"start\"?\nhint: the commands are serve, start, stop, status; undercloud --help says more\n",
		"xyz":                 "undercloud: \"xyz\" is no command\nhint: the commands are ",
		"serve --stanalone x": "undercloud: --stanalone is no option; did you mean \"--standalone\"?\n",
		"start --hlep":        "undercloud: --hlep is no option; did you mean \"--help\"?\n",
		"--verson":            "undercloud: --verson is no option; did you mean \"--version\"?\n",
	} {
		var out, errw bytes.Buffer
		code := run(t.Context(), append([]string{"undercloud"}, strings.Fields(line)...), &out, &errw)
		if code != 1 || out.Len() > 0 || !strings.HasPrefix(errw.String(), want) {
			t.Errorf("undercloud %s: code %d, %q, want %q\n%s", line, code, errw.String(), want, out.String())
		}
	}
}

// Backquotes in a flag's text are taken for the name of its value.
func TestHelpNamesTheValuesOfFlags(t *testing.T) {
	var out, errw bytes.Buffer
	if code := run(t.Context(), []string{"undercloud", "serve", "--help"}, &out, &errw); code != 0 {
		t.Fatalf("%d %s", code, errw.String())
	}
	for _, want := range []string{"--config FILE ", "--standalone FILE "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// TestAFullDiskAtAStart: the service's own files are written before any API looks for it.
func TestAFullDiskAtAStart(t *testing.T) {
	var out bytes.Buffer
	err := fmt.Errorf("state_dir: %w", &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC})
	want := "undercloud: the undercloud's disk is full, and this was not written: state_dir: write /x: no space left on device\nhint: make room where its state is (df -h), then the same again\n"
	if code := ended(&out, err); code == 0 || out.String() != want {
		t.Errorf("code %d, %s", code, out.String())
	}
}
