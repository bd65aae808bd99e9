package image

import (
	"bytes"
	"testing"
)

func FuzzInspect(f *testing.F) {
	f.Add("qcow2", append([]byte("QFI\xfb\x00\x00\x00\x03"), make([]byte, 100)...))
	f.Add("raw", []byte("QFI"))
	f.Fuzz(func(t *testing.T, format string, data []byte) {
		n, err := inspect(format, bytes.NewReader(data), int64(len(data)))
		if n < 0 || n > maxVirtualSize || err != nil && n != 0 {
			t.Errorf("size %d, %v", n, err)
		}
	})
}
