//go:build e2e

package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
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
