package image_test

import (
	"io"
	"net/http/httptest"
	"testing"
)

// BenchmarkUpload is the rate at which image data is received, hashed and written.
func BenchmarkUpload(b *testing.B) {
	f := newFixture(b)
	const size = 256 << 20
	b.SetBytes(size)
	for b.Loop() {
		id := f.create(b, "disk", "raw")
		r := httptest.NewRequest("PUT", "/v2/images/"+id+"/file", io.LimitReader(pattern{}, size))
		w := httptest.NewRecorder()
		f.s.Handler().ServeHTTP(w, r)
		if w.Code != 204 {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}

// pattern is data without end and without holes.
type pattern struct{}

// Read implements io.Reader.
func (pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}
