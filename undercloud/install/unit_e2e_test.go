//go:build e2e

package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSystemdAcceptsTheUnit asks systemd's own checker; it needs no running systemd.
func TestSystemdAcceptsTheUnit(t *testing.T) {
	path := filepath.Join(t.TempDir(), unitName)
	if err := os.WriteFile(path, []byte(unit("/bin/true", DefaultStateDir)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--recursive-errors=no", path).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
