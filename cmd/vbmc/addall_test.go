package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/vbmc/control"
	"trefoil/vbmc/manager"
)

// named is a hypervisor that has these domains.
type named struct {
	manager.Machines
	names []string
}

func (n named) List(context.Context, string) ([]string, error) { return n.names, nil }

// TestAddAllWithNothingToAdd: silence would look like success.
func TestAddAllWithNothingToAdd(t *testing.T) {
	for _, names := range [][]string{nil, {"a"}} {
		home := t.TempDir()
		s := manager.Settings{ConfigDir: filepath.Join(home, ".vbmc")}
		if err := os.Mkdir(s.ConfigDir, 0o700); err != nil {
			t.Fatal(err)
		}
		l, err := control.Listen(s.Socket())
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.DiscardHandler)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		server := control.Server{Manager: manager.New(s, named{names: names}, log), Log: log}
		go func() { done <- server.Serve(ctx, l) }()
		t.Cleanup(func() { stop(); <-done })
		code, out, errs := vbmc(t, home, "add", "--all", "--address", "127.0.0.1")
		if len(names) > 0 {
			if code != 0 || !strings.HasPrefix(out, "a 6") || errs != "" {
				t.Errorf("first time: %d %q %q", code, out, errs)
			}
			code, out, errs = vbmc(t, home, "add", "--all", "--address", "127.0.0.1")
		}
		if code != 0 || out != "" || !strings.HasPrefix(errs, "nothing to add: ") {
			t.Errorf("%v: %d %q %q", names, code, out, errs)
		}
	}
}
