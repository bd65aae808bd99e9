package conductor

import "context"

// Image is an image file that the undercloud holds.
type Image struct {
	ID         string
	Name       string
	Path       string // local file, read only
	Size       int64
	DiskFormat string // aki, ari, qcow2, raw
	SHA256     string // may be empty
	Properties map[string]string
}

// Images finds images by id or name. The error is NotFound with the command that uploads one.
type Images interface {
	Image(ctx context.Context, ref string) (*Image, error)
}

// RawImage is an image made ready for agents: the raw bytes behind a URL, and its block map.
type RawImage struct {
	URL        string
	Size       int64 // virtual size, bytes
	SHA256     string
	BmapURL    string
	BmapSHA256 string
}

// ImageCache makes a raw copy of an image once, keyed by content, and serves it.
type ImageCache interface {
	// Raw blocks until the copy is ready; calls for the same image share the work.
	Raw(ctx context.Context, img *Image) (*RawImage, error)
}
