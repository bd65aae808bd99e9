//go:build e2e

package image

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
)

// issuePackages is what the service templates of issue 2 name.
var issuePackages = []string{
	"chrony", "mariadb-server", "rabbitmq-server", "memcached", "keystone", "python3-pymysql", "python3-pymemcache",
	"openvswitch-switch", "libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "lvm2",
}

// built builds the image in TREFOIL_IMAGE_DIR (kept, so that a second run is
// quick) or in a directory of the test's own.
func built(t *testing.T) (string, *Result) {
	t.Helper()
	dir := os.Getenv("TREFOIL_IMAGE_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "os-apply-config")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "trefoil/cmd/os-apply-config")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build os-apply-config: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "build.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r, err := Build(t.Context(), Options{
		Packages: issuePackages, OutputDir: dir, CacheDir: filepath.Join(dir, "cache"), FirstBoot: bin, Log: log,
		Progress: func(p Progress) {
			t.Logf("%-9s %5.1fs %4d/%-4d %s", p.Stage, p.Elapsed.Truncate(100*time.Millisecond).Seconds(), p.Done, p.Total, p.Note)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Files {
		t.Logf("%s %.1f MB", f.Name, float64(f.Size)/1e6)
	}
	t.Logf("disk %.2f GB, seconds %v", float64(r.DiskSize)/1e9, r.Seconds)
	return dir, r
}

func TestASecondBuildIsUpToDate(t *testing.T) {
	built(t)
	if _, r := built(t); !r.UpToDate {
		t.Error("the second build built again")
	}
}

func TestAPackageThatDoesNotExistIsNamed(t *testing.T) {
	dir := t.TempDir()
	_, err := Build(t.Context(), Options{Packages: []string{"keystonne"}, OutputDir: dir, CacheDir: filepath.Join(dir, "cache"), FirstBoot: os.Args[0]})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "has no package keystonne") {
		t.Errorf("error %v", err)
	}
}

func TestAStoppedBuildLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	_, err := Build(ctx, Options{OutputDir: dir, CacheDir: filepath.Join(dir, "cache"), FirstBoot: os.Args[0], Progress: func(p Progress) {
		if p.Stage == "packages" && p.Done > 50 {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	more, _ := filepath.Glob(filepath.Join(dir, "cache/*"))
	if len(left) != 1 || len(more) != 1 { // the cache with its lock
		t.Errorf("left behind: %v %v", left, more)
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("a mount is left, or %v", err)
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/root")
	for _, p := range procs {
		if root, err := os.Readlink(p); err == nil && strings.HasPrefix(root, dir) {
			t.Errorf("%s still runs in the tree", p)
		}
	}
}
