package upload

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/dpkg"
	"trefoil/internal/errs"
	"trefoil/undercloud/image"
	"trefoil/undercloud/store/sqlite"
)

// setup returns a client of a fresh image service, the service, and a directory with the five files.
func setup(t *testing.T) (*gophercloud.ServiceClient, *image.Service, string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	n := 0
	s, err := image.New(t.Context(), image.Config{Store: sqlite.NewImages(db), Dir: t.TempDir(),
		Now: func() time.Time { return time.Date(2020, 8, 14, 10, 30, 0, 0, time.UTC) },
		NewID: func() string {
			n++
			return "00000000-0000-4000-8000-00000000000" + string(rune('0'+n))
		}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	for name, data := range map[string][]byte{"overcloud-full.vmlinuz": []byte("kernel!"), "overcloud-full.initrd": []byte("ramdisk"),
		"overcloud-full.qcow2": qcow2(), "ironic-python-agent.kernel": []byte("agent kernel"), "ironic-python-agent.initramfs": []byte("agent ramdisk")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: srv.URL + "/v2/", Type: "image"}, s, dir
}

func qcow2() []byte {
	b := make([]byte, 512)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], 3)
	binary.BigEndian.PutUint64(b[24:], 1<<30)
	return b
}

func TestUploadPrintsTheArticlesTables(t *testing.T) {
	c, s, dir := setup(t)
	var out bytes.Buffer
	if err := Run(t.Context(), Options{Client: c, ImagePath: dir, Out: &out}); err != nil {
		t.Fatal(err)
	}
	want := `Image "overcloud-full-vmlinuz" was uploaded.
+--------------------------------------+------------------------+-------------+------+--------+
|                  ID                  |          Name          | Disk Format | Size | Status |
+--------------------------------------+------------------------+-------------+------+--------+
| 00000000-0000-4000-8000-000000000001 | overcloud-full-vmlinuz |     aki     |  7   | active |
+--------------------------------------+------------------------+-------------+------+--------+
Image "overcloud-full-initrd" was uploaded.
`
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("got\n%s\nwant it to begin with\n%s", &out, want)
	}
	var names []string
	for _, line := range strings.Split(out.String(), "\n") {
		if name, ok := strings.CutPrefix(line, "Image \""); ok {
			names = append(names, strings.TrimSuffix(name, "\" was uploaded."))
		}
	}
	if got := strings.Join(names, " "); got != "overcloud-full-vmlinuz overcloud-full-initrd overcloud-full bm-deploy-kernel bm-deploy-ramdisk" {
		t.Errorf("order of images: %s", got)
	}
	i, err := s.Image(t.Context(), "overcloud-full")
	if err != nil {
		t.Fatal(err)
	}
	if i.Properties["kernel_id"] != "00000000-0000-4000-8000-000000000001" || i.Properties["ramdisk_id"] != "00000000-0000-4000-8000-000000000002" ||
		i.Properties["hw_architecture"] == "" {
		t.Errorf("properties %v", i.Properties)
	}
}

// TestSizesAreCentredAsInTheArticle takes the article's own widths, odd and even.
func TestSizesAreCentredAsInTheArticle(t *testing.T) {
	got := table([]string{"ID", "Name", "Disk Format", "Size", "Status"},
		[]string{"5cf3aba4-0e50-45d3-929f-27f025dd6ce3", "bm-deploy-ramdisk", "ari", "461759376", "active"})
	want := `+--------------------------------------+-------------------+-------------+-----------+--------+
|                  ID                  |        Name       | Disk Format |    Size   | Status |
+--------------------------------------+-------------------+-------------+-----------+--------+
| 5cf3aba4-0e50-45d3-929f-27f025dd6ce3 | bm-deploy-ramdisk |     ari     | 461759376 | active |
+--------------------------------------+-------------------+-------------+-----------+--------+
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUploadAgain(t *testing.T) {
	c, s, dir := setup(t)
	opt := Options{Client: c, ImagePath: dir, Out: &bytes.Buffer{}}
	if err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	opt.Out = out
	if err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "is up-to-date, skipping."); n != 5 {
		t.Errorf("%d images are up to date, want 5:\n%s", n, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "ironic-python-agent.kernel"), []byte("new agent kernel"), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `Image "bm-deploy-kernel" already exists and can be updated with --update-existing.`) {
		t.Errorf("no word about --update-existing:\n%s", out)
	}
	out.Reset()
	opt.UpdateExisting = true
	if err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "Some images have been updated in Glance, make sure to rerun\n\topenstack overcloud node configure\nto reflect the changes on the nodes\n") {
		t.Errorf("no word about node configure:\n%s", out)
	}
	for ref, want := range map[string]int64{"bm-deploy-kernel": 16, "bm-deploy-kernel_20200814103000": 12} {
		i, err := s.Image(t.Context(), ref)
		if err != nil {
			t.Error(err)
		} else if i.Size != want {
			t.Errorf("%s has %d bytes, want %d", ref, i.Size, want)
		}
	}
}

// TestPackagesOfTheManifestBecomeAProperty: at the upload, and of an image that is there already.
func TestPackagesOfTheManifestBecomeAProperty(t *testing.T) {
	c, s, dir := setup(t)
	opt := Options{Client: c, ImagePath: dir, Out: &bytes.Buffer{}}
	manifest := func(size int, packages string) {
		t.Helper()
		text := fmt.Sprintf(`{"files":[{"name":"overcloud-full.qcow2","size":%d}],"packages":[%s],"provides":["time-daemon"]}`, size, packages)
		if err := os.WriteFile(filepath.Join(dir, "overcloud-full.manifest.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		size     int
		packages string
		want     string
	}{
		{511, `"other=1"`, ""}, // another image's
		{512, `"mariadb-server=10.11","chrony=4.3"`, "chrony mariadb-server time-daemon"},
		{512, `"chrony=4.4"`, "chrony time-daemon"},
	} {
		manifest(tc.size, tc.packages)
		if err := Run(t.Context(), opt); err != nil {
			t.Fatal(err)
		}
		i, err := s.Image(t.Context(), "overcloud-full")
		if err != nil {
			t.Fatal(err)
		}
		if got := i.Properties[dpkg.ImageProperty]; got != tc.want {
			t.Errorf("property %q, want %q", got, tc.want)
		}
	}
	if i, err := s.Image(t.Context(), "bm-deploy-kernel"); err != nil || i.Properties[dpkg.ImageProperty] != "" {
		t.Errorf("the agent's image has packages: %v %v", i, err)
	}
}

func TestUploadRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		break_ func(dir string, o *Options) error
		want   string
		left   string // an image that must not be there
	}{
		"a missing file": {func(dir string, _ *Options) error {
			return os.Remove(filepath.Join(dir, "ironic-python-agent.initramfs"))
		},
			`ironic-python-agent.initramfs" does not exist.`, "overcloud-full-vmlinuz"},
		"platform without architecture": {func(_ string, o *Options) error { o.Platform = "SNB"; return nil }, "without specifying the architecture", "overcloud-full"},
		"an image that is no qcow2": {func(dir string, _ *Options) error {
			return os.WriteFile(filepath.Join(dir, "overcloud-full.qcow2"), []byte("not a qcow2 at all, but long enough for a header of one"), 0o600)
		}, "does not begin with a qcow2 header", "overcloud-full"},
	} {
		t.Run(name, func(t *testing.T) {
			c, s, dir := setup(t)
			opt := Options{Client: c, ImagePath: dir, Out: &bytes.Buffer{}}
			if err := tc.break_(dir, &opt); err != nil {
				t.Fatal(err)
			}
			err := Run(t.Context(), opt)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if _, err := s.Image(context.Background(), tc.left); !errs.Is(err, errs.NotFound) {
				t.Errorf("%s: %v, want it not to be there", tc.left, err)
			}
		})
	}
}

func TestArchitectureAndPlatformPrefixNames(t *testing.T) {
	u := &uploader{Options: Options{Architecture: "ppc64le", Platform: "p9"}.withDefaults()}
	system, agent := u.files()
	if system[2].name != "p9-ppc64le-overcloud-full" || agent[0].name != "p9-ppc64le-bm-deploy-kernel" ||
		system[0].properties["tripleo_platform"] != "p9" || system[0].properties["hw_architecture"] != "ppc64le" {
		t.Errorf("%+v %+v", system, agent)
	}
}
