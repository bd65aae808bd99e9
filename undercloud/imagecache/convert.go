package imagecache

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/lima-vm/go-qcow2reader/image"
	"github.com/lima-vm/go-qcow2reader/image/qcow2"
	"github.com/lima-vm/go-qcow2reader/image/raw"

	"trefoil/ironic/agent/bmap"
)

const (
	grain = 64 << 10 // what is either data or hole, bytes
	part  = 8 << 20  // what one worker converts at a time
	// maxGap is a hole that is sent as zeros: another request would cost more.
	maxGap = 256 << 10
)

// source is an image to convert.
type source struct {
	image.Image
	file *os.File
}

// openSource opens an image and refuses what would read other files: a backing
// or data file named in an uploaded image is a way to steal the undercloud's files.
func openSource(path, format string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	img, err := open(f, format)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &source{Image: img, file: f}, nil
}

func open(f *os.File, format string) (image.Image, error) {
	if format == "raw" {
		return raw.Open(f)
	}
	if err := checkQcow2(f); err != nil {
		return nil, err
	}
	// Never asked for: checkQcow2 has seen that there is no backing file.
	refuse := func(io.ReaderAt, image.Type) (image.Image, error) {
		return nil, errors.New("backing files are refused")
	}
	img, err := qcow2.Open(f, refuse)
	if err != nil {
		return nil, err
	}
	if err := img.Readable(); err != nil {
		return nil, err
	}
	if img.Size() <= 0 {
		return nil, fmt.Errorf("its virtual size is %d", img.Size())
	}
	return img, nil
}

// registerZstd gives the library, whose table is global and unguarded, the one
// decompressor it lacks.
var registerZstd = sync.OnceFunc(func() { qcow2.SetDecompressor(qcow2.CompressionTypeZstd, unzstd) })

// zstdReaders are kept: an image has one compressed block for each 64 KiB.
var zstdReaders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return err
	}
	return d
}}

// pooled gives its decoder back when closed.
type pooled struct{ *zstd.Decoder }

func (p pooled) Close() error {
	zstdReaders.Put(p.Decoder)
	return nil
}

func unzstd(r io.Reader) (io.ReadCloser, error) {
	d, ok := zstdReaders.Get().(*zstd.Decoder)
	if !ok {
		return nil, errors.New("no zstd decoder")
	}
	if err := d.Reset(r); err != nil {
		return nil, err
	}
	return pooled{d}, nil
}

// checkQcow2 reads the header (QEMU docs/interop/qcow2.txt): no backing file,
// no external data file, no encryption.
func checkQcow2(r io.ReaderAt) error {
	h := make([]byte, 104)
	if _, err := r.ReadAt(h, 0); err != nil {
		return fmt.Errorf("read qcow2 header: %w", err)
	}
	be := binary.BigEndian
	switch version := be.Uint32(h[4:]); {
	case string(h[:4]) != "QFI\xfb":
		return errors.New("it is not a qcow2 file")
	case version != 2 && version != 3:
		return fmt.Errorf("qcow2 version %d is not known", version)
	case be.Uint64(h[8:]) != 0:
		return errors.New("it names a backing file, which is refused")
	case be.Uint32(h[32:]) != 0:
		return errors.New("it is encrypted")
	case version == 3 && be.Uint64(h[72:])&(1<<2) != 0:
		return errors.New("it keeps its data in another file, which is refused")
	}
	return nil
}

// Close closes the image and its file.
func (s *source) Close() error {
	return errors.Join(s.Image.Close(), s.file.Close())
}

// data is the most bytes that the raw copy can take.
func (s *source) data() (int64, error) {
	var n int64
	for off := int64(0); off < s.Size(); {
		e, err := s.Extent(off, s.Size()-off)
		if err != nil {
			return 0, err
		}
		if e.Length <= 0 {
			return 0, fmt.Errorf("broken extent at %d", off)
		}
		if e.Allocated && !e.Zero {
			n += e.Length
		}
		off += e.Length
	}
	return n, nil
}

// convert copies what is not zero into a sparse file and returns which grains
// hold data. Parts are converted by as many workers as there are processors:
// decompression is most of the work.
func convert(dst *os.File, src *source) ([]bool, error) {
	size := src.Size()
	if err := dst.Truncate(size); err != nil {
		return nil, err
	}
	used := make([]bool, (size+grain-1)/grain)
	parts := make(chan int64)
	errc := make(chan error, runtime.NumCPU())
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			buf := make([]byte, 1<<20)
			for off := range parts {
				if err := convertPart(dst, src, off, min(part, size-off), buf, used); err != nil {
					errc <- err
					return
				}
			}
		})
	}
	go func() {
		defer close(parts)
		for off := int64(0); off < size; off += part {
			select {
			case parts <- off:
			case <-quit:
				return
			}
		}
	}()
	wg.Wait()
	close(quit)
	select {
	case err := <-errc:
		return nil, err
	default:
		return used, nil
	}
}

// convertPart walks the extents of one part; parts begin at whole grains, so
// that workers never write one element of used twice.
func convertPart(dst *os.File, src *source, off, length int64, buf []byte, used []bool) error {
	for end := off + length; off < end; {
		e, err := src.Extent(off, end-off)
		if err != nil {
			return fmt.Errorf("read extent at %d: %w", off, err)
		}
		if e.Length <= 0 {
			return fmt.Errorf("broken extent at %d", off)
		}
		stop := min(off+e.Length, end)
		if !e.Allocated || e.Zero {
			off = stop
			continue
		}
		for off < stop {
			n := min(int64(len(buf)), stop-off)
			if _, err := src.ReadAt(buf[:n], off); err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read at %d: %w", off, err)
			}
			if err := store(dst, buf[:n], off, used); err != nil {
				return err
			}
			off += n
		}
	}
	return nil
}

// store writes the grains of b that are not all zero.
func store(dst *os.File, b []byte, off int64, used []bool) error {
	for len(b) > 0 {
		n := min(grain-off%grain, int64(len(b)))
		if !isZero(b[:n]) {
			used[off/grain] = true
			if _, err := dst.WriteAt(b[:n], off); err != nil {
				return fmt.Errorf("write at %d: %w", off, err)
			}
		}
		b, off = b[n:], off+n
	}
	return nil
}

func isZero(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}

// describe makes the block map of a raw file: ranges with their checksums.
func describe(f *os.File, size int64, used []bool) (*bmap.Map, error) {
	m := &bmap.Map{ImageSize: size, ChecksumType: Checksum, Ranges: rangesOf(used, size)}
	var wg sync.WaitGroup
	next := make(chan int)
	errc := make(chan error, len(m.Ranges))
	for range runtime.NumCPU() {
		wg.Go(func() {
			for i := range next {
				r := &m.Ranges[i]
				strong, quick := sha256.New(), md5.New()
				if _, err := io.Copy(io.MultiWriter(strong, quick), io.NewSectionReader(f, r.Offset, r.Length)); err != nil {
					errc <- fmt.Errorf("checksum of image at %d: %w", r.Offset, err)
					continue
				}
				r.Sum, r.MD5 = hex.EncodeToString(strong.Sum(nil)), hex.EncodeToString(quick.Sum(nil))
			}
		})
	}
	for i := range m.Ranges {
		next <- i
	}
	close(next)
	wg.Wait()
	select {
	case err := <-errc:
		return nil, err
	default:
		return m, nil
	}
}

// rangesOf joins grains across small holes and cuts at bmap.MaxRange.
func rangesOf(used []bool, size int64) []bmap.Range {
	var out []bmap.Range
	for i, u := range used {
		if !u {
			continue
		}
		start := int64(i) * grain
		end := min(start+grain, size)
		if n := len(out); n > 0 {
			last := &out[n-1]
			if start-(last.Offset+last.Length) <= maxGap && end-last.Offset <= bmap.MaxRange {
				last.Length = end - last.Offset
				continue
			}
		}
		out = append(out, bmap.Range{Offset: start, Length: end - start})
	}
	return out
}

// wholeSum is the SHA-256 of the whole raw image, for agents that know no block
// maps. Holes are hashed from memory, not read.
func wholeSum(f *os.File, size int64, ranges []bmap.Range) (string, error) {
	h := sha256.New()
	zeros := make([]byte, 1<<20)
	hole := func(n int64) {
		for ; n > 0; n -= min(n, int64(len(zeros))) {
			h.Write(zeros[:min(n, int64(len(zeros)))])
		}
	}
	var at int64
	for _, r := range ranges {
		hole(r.Offset - at)
		if _, err := io.Copy(h, io.NewSectionReader(f, r.Offset, r.Length)); err != nil {
			return "", fmt.Errorf("checksum of image: %w", err)
		}
		at = r.Offset + r.Length
	}
	hole(size - at)
	return hex.EncodeToString(h.Sum(nil)), nil
}
