package apply

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// unpack reads a tar.gz.
func unpack(t *testing.T, packed []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(text)
	}
}

func TestReportHoldsLogsWithoutSecrets(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"var/log/nova/nova-api.log":           "user hunter2-secret came\ntoken: abcdef\nkey = AQDtq2ZnAAAAABAAZ6vMJ8GvT3b0kQy1Nf0m1g==\nAuthorization: Basic YWRtaW46eA==\nauth_pass four\n",
		"var/log/long.log":                    "hunter2-" + strings.Repeat("x", reportTail) + "\nthe end\n",
		"var/log/wtmp":                        "binary\x00",
		"var/log/journal/1/system.journal":    "in the journal",
		"var/lib/os-apply-config/step-3.json": `{"step":3}`,
		"etc/keystone/keystone.conf":          "hunter2-secret",

		"var/lib/os-apply-config/ceph-osd/vdb.json":      `{"uuid":"u","key":"AQBhalfwrittenkey=="}`,
		"var/lib/os-apply-config/.os-apply-config-12345": `{"half":`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/shadow", filepath.Join(root, "var/log/link.log")); err != nil {
		t.Fatal(err)
	}
	o := &observed{journal: "password is hunter2-secret\n", fake: fake{units: map[string]string{}, codes: map[string]int{"ip": 127}}}
	var b bytes.Buffer
	e := &Engine{Root: root, System: o, Now: time.Now}
	if err := e.Report(t.Context(), []string{"hunter2", "hunter2-secret", ""}, &b); err != nil {
		t.Fatal(err)
	}
	got := unpack(t, b.Bytes())
	names := slices.Sorted(maps.Keys(got))
	if want := strings.Fields(`addresses.txt disks.txt failed-units.txt journal.txt processes.txt routes.txt units.txt
		var/lib/os-apply-config/step-3.json var/log/long.log var/log/nova/nova-api.log`); !slices.Equal(names, want) {
		t.Errorf("files %v", names)
	}
	if text := got["var/log/nova/nova-api.log"]; text != "user ****** came\ntoken: ******\nkey = ******\nAuthorization: Basic ******\nauth_pass ******\n" {
		t.Errorf("masked: %q", text)
	}
	if got["journal.txt"] != "password is ******\n" || got["var/log/long.log"] != "the end\n" || !strings.Contains(got["routes.txt"], "ip ended with code 127") {
		t.Errorf("journal %q, long log %q, routes %q", got["journal.txt"], got["var/log/long.log"], got["routes.txt"])
	}
}
