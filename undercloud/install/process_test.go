package install

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/undercloud/secret"
)

func process(t *testing.T, script string) *Process {
	t.Helper()
	dir := t.TempDir()
	return &Process{Binary: "/bin/sh", Args: []string{"-c", script}, PIDFile: filepath.Join(dir, "pid"), LogFile: filepath.Join(dir, "log")}
}

func TestProcessStartsOnceAndStops(t *testing.T) {
	p := process(t, "exec sleep 600")
	first, err := p.Start(t.Context())
	if err != nil || !first.Running {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := p.Start(t.Context())
	if err != nil || again.PID != first.PID {
		t.Errorf("a second start: %+v, %v", again, err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := p.Status(); err != nil || st.Running {
		t.Errorf("after stop: %+v, %v", st, err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("a second stop: %v", err)
	}
}

// TestAForeignProcessIsLeftAlone writes a pid file that names this very process
// with another start time, as after a reboot.
func TestAForeignProcessIsLeftAlone(t *testing.T) {
	p := process(t, "exec sleep 600")
	if err := p.remember(os.Getpid(), ""); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(p.PIDFile)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(`"start_ticks":`), []byte(`"start_ticks":1`), 1)
	if err := os.WriteFile(p.PIDFile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if st, err := p.Status(); err != nil || st.Running {
		t.Errorf("a foreign process is taken for ours: %+v, %v", st, err)
	}
	if err := p.Stop(t.Context()); err != nil { // would end this test
		t.Error(err)
	}
}

func TestAServiceThatIgnoresTheRequestIsKilled(t *testing.T) {
	p := process(t, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
	if _, err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for { // until the trap is set
		if data, err := os.ReadFile(p.LogFile); err == nil && strings.Contains(string(data), "ready") {
			break
		}
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if st, err := p.Status(); err != nil || st.Running {
		t.Errorf("after stop: %+v, %v", st, err)
	}
}

func TestAServiceThatDiesSaysWhy(t *testing.T) {
	p := process(t, "echo port 5000 is taken; exit 1")
	p.HealthURL = "http://127.0.0.1:1/healthz"
	_, err := p.Start(t.Context())
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.HintOf(err), "port 5000 is taken") {
		t.Errorf("%v, hint %q", err, errs.HintOf(err))
	}
}

func TestStartWaitsForHealth(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	p := process(t, "exec sleep 600")
	p.HealthURL = srv.URL
	st, err := p.Start(t.Context())
	if err != nil || !st.Running || asked != 3 {
		t.Errorf("%+v, %v after %d questions", st, err, asked)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAReplacedConfigurationIsNoticed also when the run that replaced it was cut
// off and nobody remembers that it did.
func TestAReplacedConfigurationIsNoticed(t *testing.T) {
	p := process(t, "exec sleep 600")
	p.Config = filepath.Join(filepath.Dir(p.PIDFile), "undercloud.json")
	replace := func() {
		t.Helper()
		if err := secret.WriteFile(p.Config, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace()
	st, err := p.Start(t.Context())
	if err != nil || !st.Running || st.Stale {
		t.Fatalf("just started: %+v, %v", st, err)
	}
	defer func() {
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	replace()
	if st, err := p.Status(); err != nil || !st.Running || !st.Stale {
		t.Errorf("with another configuration: %+v, %v", st, err)
	}
}

// TestAServiceCanBeFoundWithoutItsStarter lets this process announce itself, as a
// service whose starter was killed before it could write the record.
func TestAServiceCanBeFoundWithoutItsStarter(t *testing.T) {
	p := process(t, "")
	for range 2 {
		if err := p.Announce(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := p.Status(); err != nil || st.PID != os.Getpid() || st.Stale {
		t.Errorf("%+v, %v", st, err)
	}
	if st, err := p.Start(t.Context()); err != nil || st.PID != os.Getpid() {
		t.Errorf("a second one was started: %+v, %v", st, err)
	}
}

func TestASecondServiceRefusesToRun(t *testing.T) {
	p := process(t, "exec sleep 600")
	if _, err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := p.Status()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Announce(func() error { return nil }); !errs.Is(err, errs.Conflict) {
		t.Errorf("announced beside another: %v", err)
	}
	if st, err := p.Status(); err != nil || st != before {
		t.Errorf("the first one's record changed: %+v, %v", st, err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
