//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/manager"
)

const (
	roleVbmcd  = "vbmcd"
	homeEnv    = "TREFOIL_BENCH_HOME"
	vbmcdBMCs  = 1000
	vbmcdFirst = firstPort + 2000

	// settling is how long the Go runtime, at one percent of a processor, may give back memory of the start.
	settling = 20 * time.Second
)

// inMemory gives the daemon's manager a machine in memory for every domain.
type inMemory struct{}

func (inMemory) Check(context.Context, string, ...string) map[string]error { return nil }
func (inMemory) List(context.Context, string) ([]string, error)            { return nil, nil }
func (inMemory) Resume() error                                             { return nil }
func (inMemory) Leave(manager.Config, string) (<-chan struct{}, error) {
	return nil, errors.ErrUnsupported
}
func (inMemory) Open(manager.Config, string) (domain.Machine, func(), error) {
	return fake.New([16]byte{1}), func() {}, nil
}

// serveVbmcd is the daemon's manager over the configurations below a home, as vbmcd runs
// it, but for libvirt. It ends when it is killed.
func serveVbmcd() error {
	settings, err := manager.LoadSettings(func(name string) string {
		if name == "HOME" {
			return os.Getenv(homeEnv)
		}
		return ""
	})
	if err != nil {
		return err
	}
	ring := manager.NewLogRing()
	log := slog.New(ring.Handler(slog.NewTextHandler(os.Stderr, nil)))
	manager.New(settings, inMemory{}, log).Run(context.Background(), func() {})
	return nil
}

// benchVbmcd is what the daemon makes of many configuration directories: the files of each
// BMC, its sockets, and what it does while nobody asks or edits anything.
func benchVbmcd(t *testing.T) []Row {
	home := t.TempDir()
	d := daemon{first: vbmcdFirst}
	for i := range vbmcdBMCs {
		d.addBMC(t, home, i, manager.DefaultLibvirtURI)
	}
	say("vBMC daemon: %d configurations, machines in memory", vbmcdBMCs)
	cmd := again(roleVbmcd)
	cmd.Env = append(cmd.Env, homeEnv+"="+home)
	log, err := os.Create(filepath.Join(home, "vbmcd.log"))
	must(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	ports := make([]int, vbmcdBMCs)
	for i := range ports {
		ports[i] = vbmcdFirst + i
	}
	until := took(func() {
		must(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		for _, port := range ports { // each waits until it is there
			awaitRaw(t, bmcAt{port: port})
		}
	})
	pid := cmd.Process.Pid
	resident := rss(t, pid)
	time.Sleep(settling)
	return []Row{{
		What: fmt.Sprintf("vBMC daemon, %d configuration directories, resident", vbmcdBMCs), Ours: Figure{resident, "MiB"}, Less: true,
		Note: fmt.Sprintf("machines in memory; each answered a session %s s after the start; idle: %s %% of a processor",
			number(until), number(idle(t, pid))),
	}}
}
