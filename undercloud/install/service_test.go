package install

import (
	"os"
	"path/filepath"
	"testing"
)

// machine is a root directory with systemd running and the two network namespaces.
func machine(t *testing.T, same bool) string {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"run/systemd/system", "proc/self/ns", "proc/1/ns"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	host, ours := filepath.Join(root, "proc/1/ns/net"), filepath.Join(root, "proc/self/ns/net")
	err := os.WriteFile(host, nil, 0o600)
	if err == nil && same {
		err = os.Link(host, ours)
	} else if err == nil {
		err = os.WriteFile(ours, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestALabsServiceIsNotGivenToTheHostsSystemd: systemd would start it in the host's
// network, where it would take the host's own interface.
func TestALabsServiceIsNotGivenToTheHostsSystemd(t *testing.T) {
	if !systemdAt(machine(t, true)) {
		t.Error("systemd of this very network is not seen")
	}
	if systemdAt(machine(t, false)) {
		t.Error("systemd of another network namespace would run the service")
	}
	if systemdAt(t.TempDir()) {
		t.Error("systemd is seen where there is none")
	}
	if (&Options{ConfigRoot: t.TempDir()}).usesUnit() {
		t.Error("a unit would be written below another root, where systemd does not look")
	}
}
