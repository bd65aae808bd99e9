package frudata

import (
	"strings"
	"testing"
)

// areas reads a built inventory back: the fields of chassis, board and product.
func areas(t *testing.T, b []byte) [3][]string {
	t.Helper()
	check := func(what string, b []byte) {
		var sum byte
		for _, c := range b {
			sum += c
		}
		if sum != 0 {
			t.Errorf("%s: wrong checksum", what)
		}
	}
	check("header", b[:8])
	var all [3][]string
	for i, fixed := range []int{3, 6, 3} {
		a := b[int(b[2+i])*8:]
		a = a[:int(a[1])*8]
		check("area", a)
		for p := fixed; a[p] != 0xc1; p += 1 + int(a[p]&0x3f) {
			all[i] = append(all[i], string(a[p+1:p+1+int(a[p]&0x3f)]))
		}
	}
	return all
}

func TestBuild(t *testing.T) {
	i := Info{Manufacturer: "Maker", Product: "é", Part: "x", Version: "1.0", Serial: strings.Repeat("s", 70), Custom: []string{"a: 1", "b: 2"}}
	b := Build(i, 1024)
	got := areas(t, b)
	s := strings.Repeat("s", 63)
	for n, want := range []string{"x |" + s, "Maker|??|" + s + "|x |", "Maker|??|x |1.0|" + s + "|||a: 1|b: 2"} {
		if g := strings.Join(got[n], "|"); g != want {
			t.Errorf("area %d: %q, want %q", n, g, want)
		}
	}
	if len(b) != 1024 {
		t.Errorf("%d bytes", len(b))
	}
}

// TestWhatDoesNotFit: custom fields are left out before the area breaks.
func TestWhatDoesNotFit(t *testing.T) {
	i := Info{Serial: "1234567"}
	for range 20 {
		i.Custom = append(i.Custom, strings.Repeat("c", 60))
	}
	b := Build(i, 512)
	if got := areas(t, b)[2]; len(b) != 512 || len(got) < 10 || len(got) >= 27 {
		t.Errorf("%d bytes, %d fields", len(b), len(got))
	}
}
