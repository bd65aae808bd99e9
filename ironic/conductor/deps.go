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

// Payloads keeps what ramdisks sent and that has no other place: inventories of unknown
// machines, logs. It bounds what it keeps. Safe for concurrent use.
type Payloads interface {
	// Keep writes a file of that name and returns where it is.
	Keep(name string, data []byte) (path string, err error)
}

// Remote is a file behind an http, https or file URL.
type Remote struct {
	URL  string
	What string // how messages name it: "image_source of node control-1"
	Algo string // of Sum: md5, sha1, sha256, sha384 or sha512
	Sum  string // lower case hex; empty: nobody knows the hash
}

// Fetched is a remote file that lies on this machine.
type Fetched struct {
	Path   string // read only
	Size   int64
	SHA256 string
}

// Fetcher brings remote files onto this machine. Safe for concurrent use. Errors are
// Invalid for a URL or file that cannot be used as it is, Unavailable for a server or
// disk that may be better later; both name What and show no password.
type Fetcher interface {
	// Fetch brings a file once: calls for the same one share the work, what was brought
	// before is used again as long as it is the same, and what was cut short goes on.
	Fetch(ctx context.Context, r Remote) (*Fetched, error)
	// Text reads a small text as it is now, such as a list of checksums.
	Text(ctx context.Context, what, url string) (string, error)
}
