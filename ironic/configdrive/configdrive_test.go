package configdrive

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"

	diskfs "github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

func object1() map[string]any {
	return map[string]any{
		"meta_data":    map[string]any{"hostname": "overcloud-controller-0", "public_keys": map[string]any{"0": "ssh-rsa AAAA"}},
		"network_data": map[string]any{"links": []any{}, "networks": []any{}},
		"user_data":    "#cloud-config\n",
	}
}

func TestTheFilesAreThoseThatCloudInitReads(t *testing.T) {
	files, err := Files(object1(), "u-1", "control-1")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"openstack/latest/meta_data.json":    `{"hostname":"overcloud-controller-0","name":"control-1","public_keys":{"0":"ssh-rsa AAAA"},"uuid":"u-1"}`,
		"openstack/latest/network_data.json": `{"links":[],"networks":[]}`,
		"openstack/latest/user_data":         "#cloud-config\n",
	}
	if len(files) != len(want) {
		t.Errorf("%d files", len(files))
	}
	for p, w := range want {
		if string(files[p]) != w {
			t.Errorf("%s: %s", p, files[p])
		}
	}
}

func TestWrongObjectsAreRefused(t *testing.T) {
	for _, v := range []map[string]any{
		{"metadata": map[string]any{}},
		{"meta_data": "text"},
		{"network_data": []any{}},
	} {
		if _, err := Build(v, "u", "n"); !errs.Is(err, errs.Invalid) {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// unpack reverses what Build wraps around the ISO.
func unpack(t *testing.T, s string) []byte {
	t.Helper()
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(s)))
	if err != nil {
		t.Fatal(err)
	}
	iso, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return iso
}

func TestEqualInputGivesEqualBytes(t *testing.T) {
	a, err := Build(object1(), "u", "n")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if b, err := Build(object1(), "u", "n"); err != nil || a != b {
			t.Fatalf("differs: %v", err)
		}
	}
	if iso := unpack(t, a); len(iso)%sector != 0 || len(iso) > 128<<10 {
		t.Errorf("%d bytes", len(iso))
	}
}

// manyFiles fills more than one sector of a directory.
func manyFiles() map[string][]byte {
	files := map[string][]byte{"empty": nil, "openstack/latest/meta_data.json": []byte("{}"), "openstack/2018-08-27/user_data": bytes.Repeat([]byte("x"), 5000)}
	for i := range 40 {
		files[fmt.Sprintf("openstack/content/a_file_with_a_long_name_%04d", i)] = fmt.Appendf(nil, "content %d", i)
	}
	return files
}

// Another implementation of ISO 9660 and Rock Ridge reads what was written.
func TestAnotherReaderFindsEveryFile(t *testing.T) {
	iso, err := ISO(Label, manyFiles())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cd.iso")
	if err := os.WriteFile(path, iso, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := diskfs.OpenFromPath(path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	fs, err := iso9660.Read(b, int64(len(iso)), 0, sector)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(fs.Label()); got != Label {
		t.Errorf("label %q", got)
	}
	for p, want := range manyFiles() {
		f, err := fs.OpenFile(p, os.O_RDONLY)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d (%v)", p, len(got), len(want), err)
		}
	}
}

// xorriso reads the volume too, where it is installed; elsewhere the hash of a
// volume that it has read stands for it.
func TestTheVolumeIsTheOneThatXorrisoRead(t *testing.T) {
	files := manyFiles()
	iso, err := ISO(Label, files)
	if err != nil {
		t.Fatal(err)
	}
	const known = "212eb57c59db2280aca39a5ba87b5d180f00791fa571c488eec8285b2dbd75f3"
	if got := fmt.Sprintf("%x", sha256.Sum256(iso)); got != known {
		t.Errorf("the volume changed: %s; read it with xorriso, then note its hash here", got)
	}
	if _, err := exec.LookPath("xorriso"); err != nil {
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "cd.iso")
	if err := os.WriteFile(path, iso, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", filepath.Join(dir, "out")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "Volume id    : 'config-2'") {
		t.Errorf("xorriso says\n%s", out)
	}
	for p, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, "out", p))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", p, got, err)
		}
	}
}

func TestPathsAreChecked(t *testing.T) {
	for _, p := range []string{"/abs", "../up", "a//b", strings.Repeat("n", 101)} {
		if _, err := ISO(Label, map[string][]byte{p: nil}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", p, err)
		}
	}
	if _, err := ISO(strings.Repeat("l", 33), nil); !errs.Is(err, errs.Invalid) {
		t.Error(err)
	}
}
