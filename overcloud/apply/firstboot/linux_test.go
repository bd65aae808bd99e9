package firstboot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfigDriveIsFoundByItsLabel uses files in the place of devices.
func TestConfigDriveIsFoundByItsLabel(t *testing.T) {
	l := Linux{Sys: t.TempDir(), Dev: t.TempDir()}
	iso := func(label string) string {
		b := make([]byte, 34000)
		copy(b[32768:], "\x01CD001\x01")
		copy(b[32768+40:], label+strings.Repeat(" ", 32-len(label)))
		return string(b)
	}
	for name, content := range map[string]string{"vda": "MBR", "vda4": iso("config-2"), "sr0": iso("DEBIAN"), "loop0": iso("config-2"), "vdb": iso("config-2")} {
		if err := os.MkdirAll(filepath.Join(l.Sys, "class/block", name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(l.Dev, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.ReplaceAll(strings.Join(l.labelled("config-2"), " "), l.Dev+"/", "")
	if got != "vda4 vdb" {
		t.Errorf("found %q", got)
	}
}
