package configdownload_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"maps"
	"strings"
	"testing"

	"trefoil/overcloud/configdownload"
)

func TestPackedFilesComeBack(t *testing.T) {
	files := configdownload.Files{"a/b": []byte("x"), "a/c.sh": []byte("y"), "empty": {}}
	packed, err := configdownload.Pack(files)
	if err != nil {
		t.Fatal(err)
	}
	got, err := configdownload.Unpack(packed)
	if err != nil || !maps.EqualFunc(got, files, bytes.Equal) {
		t.Errorf("got %q, %v", got, err)
	}
}

// archive packs entries as they are.
func archive(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range entries {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchivesThatLeadOutAreRefused(t *testing.T) {
	for name, data := range map[string][]byte{
		"which is no file below": archive(t, tar.Header{Name: "../x", Typeflag: tar.TypeReg}),
		"\"link\"":               archive(t, tar.Header{Name: "link", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}),
		"directory":              archive(t, tar.Header{Name: "a", Typeflag: tar.TypeReg}, tar.Header{Name: "a/b", Typeflag: tar.TypeReg}),
		"read the":               []byte("not an archive"),
	} {
		if _, err := configdownload.Unpack(data); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want an error with %q, got %v", name, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	packed, err := configdownload.Pack(configdownload.Files{"a/b": []byte("x"), "c.sh": nil})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add(archive(f, tar.Header{Name: "../x", Typeflag: tar.TypeReg}))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := configdownload.Unpack(data)
		if err != nil {
			return
		}
		again, err := configdownload.Pack(files)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := configdownload.Unpack(again); err != nil || !maps.EqualFunc(back, files, bytes.Equal) {
			t.Errorf("%q comes back as %q, %v", files, back, err)
		}
	})
}
