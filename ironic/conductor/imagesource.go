package conductor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
)

// A node's image by URL. Facts: Ironic's checksum_utils.get_checksum_and_algo and
// get_checksum_from_url.

// digest is an image's expected hash. Empty: none is known.
type digest struct {
	algo, sum string
	list      string // URL of a file that has the sum
}

// hashSizes are the lengths of hashes in hex digits.
func hashSizes() map[string]int {
	return map[string]int{"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128}
}

// wantedDigest reads what instance_info says of the image's hash: image_os_hash_algo
// and _value, or image_checksum, which may be a hash, one with its algorithm
// ("sha256:…"), or the URL of a list of hashes.
func wantedDigest(ii map[string]any) (digest, error) {
	if v := strings.TrimSpace(text(ii, "image_os_hash_value")); v != "" {
		return parseDigest("image_os_hash_value", text(ii, "image_os_hash_algo"), v)
	}
	v := strings.TrimSpace(text(ii, "image_checksum"))
	if v == "" || isURL(v) {
		return digest{list: v}, nil
	}
	return parseDigest("image_checksum", "", v)
}

func parseDigest(field, algo, v string) (digest, error) {
	if a, rest, ok := strings.Cut(v, ":"); ok {
		algo, v = a, rest
	}
	algo, v = strings.ToLower(strings.TrimSpace(algo)), strings.ToLower(v)
	_, notHex := hex.DecodeString(v)
	if algo == "" {
		for a, size := range hashSizes() {
			if size == len(v) {
				algo = a
			}
		}
	}
	size, known := hashSizes()[algo]
	switch {
	case !known && algo != "":
		return digest{}, errs.New(errs.Invalid, "instance_info/image_os_hash_algo is %q; expected md5, sha1, sha256, sha384 or sha512", algo)
	case !known || notHex != nil || size != len(v):
		return digest{}, errs.New(errs.Invalid, "instance_info/%s %q is no %s hash in hexadecimal digits", field, v, strings.TrimSpace("valid "+algo))
	}
	return digest{algo: algo, sum: v}, nil
}

// findSum finds the hash of the file in a list of checksums: a line "HASH  name",
// "HASH *name" or BSD's "SHA256 (name) = HASH"; or the only word of the list.
func findSum(list, file string) (digest, error) {
	var lines []string
	for _, l := range strings.Split(list, "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			lines = append(lines, l)
		}
	}
	if len(lines) == 1 && !strings.ContainsAny(lines[0], " \t") {
		return parseDigest("image_checksum", "", lines[0])
	}
	for _, l := range lines {
		words := strings.Fields(l)
		if len(words) < 2 || !namesFile(words, file) {
			continue
		}
		for _, w := range []string{words[0], words[len(words)-1]} {
			if d, err := parseDigest("image_checksum", "", w); err == nil {
				return d, nil
			}
		}
	}
	return digest{}, errs.New(errs.Invalid, "the list of checksums has none of a file named %s", file)
}

func namesFile(words []string, file string) bool {
	last := strings.TrimPrefix(words[len(words)-1], "*")
	return last == file || strings.TrimPrefix(last, "./") == file || words[1] == "("+file+")"
}

// sourceName is the file's name in an image's URL.
func sourceName(src string) string {
	if u, err := url.Parse(src); err == nil {
		return path.Base(u.Path)
	}
	return "image"
}

// checkSource looks whether an image by URL can be fetched, without fetching it.
func (c *Conductor) checkSource(n *ironic.Node, src string) error {
	d, err := wantedDigest(n.InstanceInfo)
	if err != nil {
		return fmt.Errorf("node %s can not be deployed: %w", title(n), err)
	}
	if d.list != "" {
		if err := c.URLs.Check(d.list); err != nil {
			return fmt.Errorf("image_checksum of node %s: %w", title(n), err)
		}
	}
	if p, ok := filePath(src); ok {
		if c.Fetcher == nil || c.ImageCache == nil {
			return errs.New(errs.Invalid, "image_source of node %s is a file of this machine, and images are not served here", title(n)).
				WithHint("give the service's configuration a section [netboot], or put the image on a web server")
		}
		_, err := c.URLs.File("image_source", p)
		return err
	}
	if err := c.URLs.Check(src); err != nil {
		return fmt.Errorf("image_source of node %s: %w", title(n), err)
	}
	if d == (digest{}) {
		return errs.New(errs.Invalid, "Node %s can not be deployed: instance_info has no checksum for %s.", title(n), shownURL(src)).
			WithHint("set image_os_hash_algo and image_os_hash_value, or image_checksum to a hash or the URL of a list of hashes")
	}
	fetches, err := c.fetches(n)
	if err != nil || fetches {
		return err
	}
	return checkDirect(n, d)
}

// checkDirect refuses what an agent that fetches the image itself would refuse only when the
// machine has booted: neither ours nor, by default, ironic-python-agent takes MD5.
func checkDirect(n *ironic.Node, d digest) error {
	if d.algo != "md5" {
		return nil
	}
	return errs.New(errs.Invalid, "Node %s can not be deployed: the checksum of its image is MD5, which no agent takes that fetches the image itself.", title(n)).
		WithHint("give another one (image_os_hash_algo sha256 or sha512, and image_os_hash_value), or remove image_download_source=http, so that the service fetches the image")
}

// fetches tells whether the service fetches an image for the agent, which is
// Ironic's image_download_source: http has the agent fetch it itself.
func (c *Conductor) fetches(n *ironic.Node) (bool, error) {
	how := text(n.InstanceInfo, "image_download_source")
	if how == "" {
		how = text(n.DriverInfo, "image_download_source")
	}
	switch how {
	case "http":
		return false, nil
	case "", "local":
		return c.Fetcher != nil && c.ImageCache != nil, nil
	}
	return false, errs.New(errs.Invalid, "image_download_source of node %s is %q; expected http or local", title(n), how)
}

// sourceInfo makes an image by URL ready for the agent to fetch.
func (t *task) sourceInfo(ctx context.Context, src string) (*agentapi.ImageInfo, error) {
	if err := t.checkSource(t.node, src); err != nil {
		return nil, err // it was asked at the beginning, and may have been changed since
	}
	d, err := wantedDigest(t.node.InstanceInfo)
	if err != nil {
		return nil, err
	}
	what := "image_source of node " + title(t.node)
	if d.list != "" && t.Fetcher != nil {
		list, err := t.Fetcher.Text(ctx, "image_checksum of node "+title(t.node), d.list)
		if err != nil {
			return nil, err
		}
		if d, err = findSum(list, sourceName(src)); err != nil {
			return nil, fmt.Errorf("image_checksum of node %s: %w", title(t.node), err)
		}
	}
	if fetches, err := t.fetches(t.node); err != nil || !fetches && isURL(src) {
		if err = cmp.Or(err, checkDirect(t.node, d)); err != nil { // the list of checksums may have had MD5 only
			return nil, err
		}
		return t.directInfo(src, d), nil
	}
	t.note("transition", "fetches image %s", shownURL(src))
	f, err := t.Fetcher.Fetch(ctx, Remote{URL: src, What: what, Algo: d.algo, Sum: d.sum})
	if err != nil {
		return nil, err
	}
	format, err := diskFormat(f.Path, text(t.node.InstanceInfo, "image_disk_format"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return t.rawInfo(ctx, &Image{ID: sourceName(src), Name: sourceName(src), Path: f.Path, Size: f.Size, DiskFormat: format, SHA256: f.SHA256})
}

// directInfo has the agent fetch the image itself.
func (t *task) directInfo(src string, d digest) *agentapi.ImageInfo {
	ii := t.node.InstanceInfo
	format := text(ii, "image_disk_format")
	if format == "" {
		format = "raw"
	}
	return &agentapi.ImageInfo{ID: sourceName(src), URLs: []string{src}, DiskFormat: format, StreamRawImages: true, NodeUUID: t.uuid,
		OSHashAlgo: d.algo, OSHashValue: d.sum, Checksum: d.list}
}

// rawInfo makes an image file ready for the agent to fetch.
func (t *task) rawInfo(ctx context.Context, img *Image) (*agentapi.ImageInfo, error) {
	t.note("transition", "makes image %s ready", img.Name)
	raw, err := t.ImageCache.Raw(ctx, img)
	if err != nil {
		return nil, fmt.Errorf("make image %s ready: %w", img.Name, err)
	}
	if err := fitsDisk(t.node, img.Name, raw.Size); err != nil {
		return nil, err
	}
	return &agentapi.ImageInfo{ID: img.ID, URLs: []string{raw.URL}, DiskFormat: "raw", ContainerFormat: "bare",
		StreamRawImages: true, OSHashAlgo: "sha256", OSHashValue: raw.SHA256, NodeUUID: t.uuid,
		BmapURL: raw.BmapURL, BmapSHA256: raw.BmapSHA256}, nil
}

// diskFormat tells the format of an image file. One that is declared as raw and is
// qcow2 would be written as it is and never boot.
func diskFormat(file, declared string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", errs.Wrap(errs.Invalid, err, "the image cannot be read")
	}
	defer f.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil {
		return "", errs.Wrap(errs.Invalid, err, "the image is shorter than four bytes")
	}
	found := "raw"
	if bytes.Equal(magic, []byte("QFI\xfb")) {
		found = "qcow2"
	}
	if declared == "" {
		return found, nil
	}
	if declared == "raw" && found != "raw" {
		return "", errs.New(errs.Invalid, "the image is %s, and instance_info/image_disk_format says raw", found)
	}
	return declared, nil
}
