// Package httpboot serves what a machine boots from the network and what the
// agent writes to its disk: iPXE scripts, kernel and ramdisk of published
// nodes, and cached images with their block maps. Nothing else has a name
// here, so there is nothing to list and no path to climb.
//
//	/boot.ipxe                    where DHCP sends iPXE
//	/pxelinux.cfg/52-54-00-…      script of the node with that MAC
//	/nodes/{uuid}/kernel|ramdisk  only while the node is published
//	/images/{key}.raw|.bmap       key: 64 hex digits; HTTP ranges
//	/ipxe/snponly.efi             for UEFI HTTP boot
package httpboot

import (
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"trefoil/ironic/driver"
	"trefoil/undercloud/tftp"
)

// Source knows what is published. Safe for concurrent use.
type Source interface {
	// ByMAC finds an entry by MAC address, lower case with colons.
	ByMAC(mac string) (driver.BootEntry, bool)
	ByNode(uuid string) (driver.BootEntry, bool)
	// Reached notes how far the node's boot has come.
	Reached(nodeUUID string, p driver.BootPhase)
}

// Config says what to serve.
type Config struct {
	Source   Source
	BaseURL  string // how nodes reach this handler, without a trailing slash
	ImageDir string // holds {key}.raw and {key}.bmap; empty serves no images
	IPXEDir  string // default tftp.DebianDir
	Log      *slog.Logger
}

type handler struct{ Config }

// New makes the handler. Mount it at the root of BaseURL.
func New(cfg Config) http.Handler {
	if cfg.IPXEDir == "" {
		cfg.IPXEDir = tftp.DebianDir
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{cfg}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /boot.ipxe", h.entry)
	mux.HandleFunc("GET /pxelinux.cfg/{mac}", h.script)
	mux.HandleFunc("GET /nodes/{node}/{file}", h.node)
	mux.HandleFunc("GET /images/{file}", h.image)
	mux.HandleFunc("GET /ipxe/{file}", h.ipxe)
	return mux
}

func (h *handler) entry(w http.ResponseWriter, _ *http.Request) {
	text(w, EntryScript())
}

func (h *handler) script(w http.ResponseWriter, r *http.Request) {
	mac := strings.ReplaceAll(strings.ToLower(r.PathValue("mac")), "-", ":")
	e, ok := h.Source.ByMAC(mac)
	if !ok {
		h.Log.Info("boot script refused: mac is not published", "mac", mac, "peer", r.RemoteAddr)
		http.NotFound(w, r)
		return
	}
	h.Log.Info("boot script sent", "mac", mac, "node", e.NodeUUID, "purpose", e.Purpose, "peer", r.RemoteAddr)
	text(w, NodeScript(h.BaseURL, e))
	h.Source.Reached(e.NodeUUID, driver.PhaseScript)
}

func (h *handler) node(w http.ResponseWriter, r *http.Request) {
	e, ok := h.Source.ByNode(r.PathValue("node"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	path, phase := e.Kernel, driver.PhaseKernel
	switch r.PathValue("file") {
	case "kernel":
	case "ramdisk":
		path, phase = e.Ramdisk, driver.PhaseRamdisk
	default:
		http.NotFound(w, r)
		return
	}
	size, sent := h.file(w, r, path)
	if sent == size && size > 0 && r.Method == http.MethodGet {
		h.Log.Info("boot file sent", "node", e.NodeUUID, "file", r.PathValue("file"), "bytes", sent, "peer", r.RemoteAddr)
		h.Source.Reached(e.NodeUUID, phase)
		return
	}
	h.Log.Warn("boot file sent in part", "node", e.NodeUUID, "file", r.PathValue("file"), "bytes", sent, "of", size, "peer", r.RemoteAddr)
}

var imageName = regexp.MustCompile(`^[0-9a-f]{64}\.(raw|bmap)$`)

func (h *handler) image(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if h.ImageDir == "" || !imageName.MatchString(name) {
		http.NotFound(w, r)
		return
	}
	h.file(w, r, filepath.Join(h.ImageDir, name))
}

func (h *handler) ipxe(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(tftp.Files(), r.PathValue("file")) {
		http.NotFound(w, r)
		return
	}
	h.file(w, r, filepath.Join(h.IPXEDir, r.PathValue("file")))
}

// file sends one file, or the ranges asked for, and returns its size and what was sent.
func (h *handler) file(w http.ResponseWriter, r *http.Request, path string) (size, sent int64) {
	f, err := os.Open(path)
	if err != nil {
		h.Log.Error("boot file cannot be read", "path", path, "error", err)
		http.NotFound(w, r)
		return 0, 0
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		http.NotFound(w, r)
		return 0, 0
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	cw := &countingWriter{ResponseWriter: w}
	http.ServeContent(cw, r, "", st.ModTime(), f)
	return st.Size(), cw.n
}

// countingWriter counts the body and keeps sendfile(2) for it.
type countingWriter struct {
	http.ResponseWriter
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *countingWriter) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(c.ResponseWriter, src)
	c.n += n
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (c *countingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func text(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, body)
}
