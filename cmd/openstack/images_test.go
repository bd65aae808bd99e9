package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestABrokenImageIsRefusedInASentence: not in the JSON that the service answers with.
func TestABrokenImageIsRefusedInASentence(t *testing.T) {
	o := newOperator(t)
	dir := t.TempDir()
	for _, name := range []string{"overcloud-full.vmlinuz", "overcloud-full.initrd", "overcloud-full.qcow2", "ironic-python-agent.kernel", "ironic-python-agent.initramfs"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("not a qcow2 at all, but long enough for a header of one"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, _, errw := o.types(t.Context(), "overcloud image upload --os-image-name overcloud-full.qcow2 --update-existing --image-path "+dir)
	if code != exitFailed || !strings.HasPrefix(errw, "upload "+dir+"/overcloud-full.qcow2: ") || !strings.Contains(errw, "does not begin with a qcow2 header") ||
		!strings.Contains(errw, "(HTTP 400)") || strings.ContainsAny(errw, "{<") {
		t.Errorf("%d %s", code, errw)
	}
}
