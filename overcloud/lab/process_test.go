package lab

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStopEndsAlsoWhatIgnoresTheFirstSignal(t *testing.T) {
	cmd := exec.Command("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil { // the trap is set
		t.Fatal(err)
	}
	p, ok := processOf(cmd.Process.Pid)
	if !ok {
		t.Fatal("the process is not there")
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	list := func() ([]Process, error) {
		if p.running() {
			return []Process{p}, nil
		}
		return nil, nil
	}
	names, err := stop(context.Background(), list, 100*time.Millisecond)
	if err != nil || len(names) != 1 || !strings.HasPrefix(names[0], "sh (pid ") {
		t.Errorf("ended %q, %v", names, err)
	}
	if err := <-gone; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
}

func TestParseStat(t *testing.T) {
	const fields = "1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"
	if p, ok := parseStat(7, "7 (a) b) S "+fields); !ok || p != (Process{7, "4711"}) {
		t.Errorf("got %+v %v", p, ok)
	}
	for _, text := range []string{"", "7", "7 (x) S", "7 (x) Z " + fields} {
		if p, ok := parseStat(7, text); ok {
			t.Errorf("%q gave %+v", text, p)
		}
	}
	if _, ok := processFromFile(filepath.Join(t.TempDir(), "none")); ok {
		t.Error("found a process without a file")
	}
	other := Process{PID: os.Getpid(), Start: "1"}
	if other.running() {
		t.Error("a reused number was taken for the process")
	}
}
