package image_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"trefoil/internal/errs"
	"trefoil/undercloud/image"
	"trefoil/undercloud/store/sqlite"
)

type fixture struct {
	db  *sqlite.DB
	dir string
	s   *image.Service
	c   *gophercloud.ServiceClient
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &fixture{db: db, dir: t.TempDir()}
	f.restart(t)
	return f
}

// restart makes the service anew over the same state.
func (f *fixture) restart(t testing.TB) {
	t.Helper()
	s, err := image.New(t.Context(), image.Config{Store: sqlite.NewImages(f.db), Dir: f.dir})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	f.s = s
	f.c = &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: srv.URL + "/v2/", Type: "image"}
}

func (f *fixture) create(t testing.TB, name, format string) string {
	t.Helper()
	i, err := images.Create(t.Context(), f.c, images.CreateOpts{Name: name, DiskFormat: format, ContainerFormat: "bare",
		Properties: map[string]string{"hw_architecture": "x86_64"}}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	return i.ID
}

func (f *fixture) upload(t *testing.T, id string, data []byte) error {
	t.Helper()
	return imagedata.Upload(t.Context(), f.c, id, bytes.NewReader(data)).ExtractErr()
}

func TestAnImageFromCreationToDeletion(t *testing.T) {
	f := newFixture(t)
	id := f.create(t, "disk", "raw")
	if _, err := f.s.Image(t.Context(), id); !errs.Is(err, errs.Conflict) {
		t.Errorf("an image without data: %v", err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	if err := f.upload(t, id, data); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(data)
	got, err := images.Get(t.Context(), f.c, id).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != images.ImageStatusActive || got.SizeBytes != int64(len(data)) || got.Checksum != hex.EncodeToString(sum[:]) ||
		got.Properties["hw_architecture"] != "x86_64" || got.Properties["os_hash_algo"] != "sha512" {
		t.Errorf("image %+v", got)
	}
	r, err := imagedata.Download(t.Context(), f.c, id).Extract()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if back, err := io.ReadAll(r); err != nil || !bytes.Equal(back, data) {
		t.Errorf("download: %d bytes, %v", len(back), err)
	}
	i, err := f.s.Image(t.Context(), "disk")
	if err != nil {
		t.Fatal(err)
	}
	if onDisk, err := os.ReadFile(i.Path); err != nil || !bytes.Equal(onDisk, data) || len(i.SHA256) != 64 {
		t.Errorf("conductor's image %+v, %v", i, err)
	}
	if err := f.upload(t, id, data); !gophercloud.ResponseCodeIs(err, http.StatusConflict) {
		t.Errorf("a second upload: %v", err)
	}
	if err := images.Delete(t.Context(), f.c, id).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(i.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a deleted image: %v", err)
	}
	if _, err := f.s.Image(t.Context(), "disk"); !errs.Is(err, errs.NotFound) || !strings.Contains(errs.HintOf(err), "image upload") {
		t.Errorf("a deleted image: %v, hint %q", err, errs.HintOf(err))
	}
}

func header(change func([]byte)) []byte {
	b := make([]byte, 4096)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], 3)
	binary.BigEndian.PutUint64(b[24:], 1<<30)
	change(b)
	return b
}

func TestUploadsThatAreRefused(t *testing.T) {
	be := binary.BigEndian
	for name, tc := range map[string]struct {
		format string
		data   []byte
		want   string // empty: accepted
	}{
		"a good qcow2":             {"qcow2", header(func([]byte) {}), ""},
		"a qcow2 on another file":  {"qcow2", header(func(b []byte) { be.PutUint64(b[8:], 104) }), "needs a backing file"},
		"data in another file":     {"qcow2", header(func(b []byte) { be.PutUint64(b[72:], 4) }), "keeps its data in another file"},
		"an unknown version":       {"qcow2", header(func(b []byte) { be.PutUint32(b[4:], 9) }), "version 9 is not supported"},
		"a cut off table":          {"qcow2", header(func(b []byte) { be.PutUint32(b[36:], 1000) }), "is cut off"},
		"no size":                  {"qcow2", header(func(b []byte) { be.PutUint64(b[24:], 0) }), "has 0 bytes"},
		"a cut off header":         {"qcow2", header(func([]byte) {})[:40], "is cut off"},
		"something else":           {"qcow2", []byte("<!DOCTYPE html>"), "does not begin with a qcow2 header"},
		"a qcow2 said to be raw":   {"raw", header(func([]byte) {}), "the data is a qcow2 image"},
		"nothing":                  {"raw", nil, "is empty"},
		"a kernel, whatever it is": {"aki", []byte("MZ"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			id := f.create(t, "i", tc.format)
			err := f.upload(t, id, tc.data)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !gophercloud.ResponseCodeIs(err, http.StatusBadRequest) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want 400 %q", err, tc.want)
			}
			if list, err := os.ReadDir(f.dir); err != nil || len(list) != 0 {
				t.Errorf("%d files are left, %v", len(list), err)
			}
			got, err := images.Get(t.Context(), f.c, id).Extract()
			if err != nil || got.Status != images.ImageStatusQueued {
				t.Errorf("status %v, %v: want it to wait for other data", got, err)
			}
		})
	}
}

// TestAClientThatDies sends less than it announced.
func TestAClientThatDies(t *testing.T) {
	f := newFixture(t)
	id := f.create(t, "i", "raw")
	r := httptest.NewRequest("PUT", "/v2/images/"+id+"/file", strings.NewReader("half"))
	r.ContentLength = 8
	w := httptest.NewRecorder()
	f.s.Handler().ServeHTTP(w, r)
	if w.Code < 400 {
		t.Errorf("status %d", w.Code)
	}
	got, err := images.Get(t.Context(), f.c, id).Extract()
	if err != nil || got.Status != images.ImageStatusQueued {
		t.Errorf("image %+v, %v", got, err)
	}
}

// TestACrashDuringAnUpload leaves what a crash leaves and starts again.
func TestACrashDuringAnUpload(t *testing.T) {
	f := newFixture(t)
	done, half := f.create(t, "done", "raw"), f.create(t, "half", "raw")
	if err := f.upload(t, done, []byte("data")); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.NewImages(f.db).UpdateImage(t.Context(), half, func(i *image.Image) error { i.Status = image.Saving; return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{half + ".part", "README"} {
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.restart(t)
	if err := f.upload(t, half, []byte("whole")); err != nil {
		t.Errorf("upload after the crash: %v", err)
	}
	for name, want := range map[string]bool{done: true, half: true, half + ".part": false, "README": true} {
		if _, err := os.Stat(filepath.Join(f.dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}

func TestPatch(t *testing.T) {
	f := newFixture(t)
	id := f.create(t, "i", "raw")
	for _, tc := range []struct {
		name, patch string
		status      int
	}{
		{"a new property", `[{"op":"add","path":"/kernel_id","value":"k"}]`, 200},
		{"another value", `[{"op":"replace","path":"/kernel_id","value":"k2"}]`, 200},
		{"a name and protection", `[{"op":"replace","path":"/name","value":"j"},{"op":"replace","path":"/protected","value":true}]`, 200},
		{"a property that is not there", `[{"op":"replace","path":"/nope","value":"x"}]`, 409},
		{"a read-only field", `[{"op":"replace","path":"/status","value":"active"}]`, 403},
		{"a field away", `[{"op":"remove","path":"/name"}]`, 403},
		{"a bad visibility", `[{"op":"replace","path":"/visibility","value":"all"}]`, 400},
		{"a number as property", `[{"op":"add","path":"/n","value":1}]`, 400},
		{"an unknown operation", `[{"op":"move","path":"/n","value":"1"}]`, 400},
		{"no JSON", `{`, 400},
		{"a property away", `[{"op":"remove","path":"/kernel_id"}]`, 200},
	} {
		r := httptest.NewRequest("PATCH", "/v2/images/"+id, strings.NewReader(tc.patch))
		r.Header.Set("Content-Type", "application/openstack-images-v2.1-json-patch")
		w := httptest.NewRecorder()
		f.s.Handler().ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s: %d, want %d: %s", tc.name, w.Code, tc.status, w.Body)
		}
	}
	got, err := images.Get(t.Context(), f.c, id).Extract()
	if err != nil || got.Name != "j" || got.Properties["kernel_id"] != nil {
		t.Errorf("image %+v, %v", got, err)
	}
	if err := images.Delete(t.Context(), f.c, id).ExtractErr(); !gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		t.Errorf("deleting a protected image: %v", err)
	}
}

func TestListFiltersSortsAndPages(t *testing.T) {
	f := newFixture(t)
	for i := range 30 {
		f.create(t, fmt.Sprintf("image-%02d", i), map[bool]string{true: "raw", false: "qcow2"}[i%2 == 0])
	}
	names := func(o images.ListOpts) []string {
		page, err := images.List(f.c, o).AllPages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		list, err := images.ExtractImages(page)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, i := range list {
			out = append(out, i.Name)
		}
		return out
	}
	if got := names(images.ListOpts{Limit: 7, Sort: "name:asc"}); len(got) != 30 || got[0] != "image-00" || got[29] != "image-29" {
		t.Errorf("all, by name: %v", got)
	}
	if got := names(images.ListOpts{}); len(got) != 30 || got[0] != "image-29" {
		t.Errorf("all, newest first: %v", got)
	}
	if got := names(images.ListOpts{DiskFormat: "raw"}); len(got) != 15 {
		t.Errorf("raw images: %v", got)
	}
	if got := names(images.ListOpts{Name: "image-03"}); len(got) != 1 {
		t.Errorf("by name: %v", got)
	}
}

func TestTwoImagesOfOneName(t *testing.T) {
	f := newFixture(t)
	for range 2 {
		if err := f.upload(t, f.create(t, "twin", "raw"), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.s.Image(context.Background(), "twin"); !errs.Is(err, errs.Conflict) {
		t.Errorf("got %v, want a conflict", err)
	}
}
