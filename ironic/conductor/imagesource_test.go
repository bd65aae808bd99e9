package conductor_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

// fetcher has files by URL on this machine already.
type fetcher struct {
	mu    sync.Mutex
	files map[string]string
	texts map[string]string
	asked []conductor.Remote
}

func (f *fetcher) Fetch(_ context.Context, r conductor.Remote) (*conductor.Fetched, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r)
	path, ok := f.files[r.URL]
	if !ok {
		return nil, errs.New(errs.Invalid, "fetch %s: the server answers 404 Not Found", r.What)
	}
	return &conductor.Fetched{Path: path, Size: 8, SHA256: "feed"}, nil
}

func (f *fetcher) Text(_ context.Context, what, url string) (string, error) {
	if t, ok := f.texts[url]; ok {
		return t, nil
	}
	return "", errs.New(errs.Unavailable, "read %s: the server answers 500", what)
}

// rawCache remembers what it was asked for.
type rawCache struct {
	mu    sync.Mutex
	asked []conductor.Image
}

func (c *rawCache) Raw(ctx context.Context, img *conductor.Image) (*conductor.RawImage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, *img)
	return images{}.Raw(ctx, img)
}

// imageFile is a file that begins as a qcow2 image does.
func imageFile(t *testing.T, begin string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, []byte(begin+"........"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	sum256 = strings.Repeat("ab", 32)
	sum512 = strings.Repeat("cd", 64)
)

const imageURL = "https://images.example.org/disks/cloud.img?Signature=secret"

func (w *world) setInstance(info map[string]any) {
	w.t.Helper()
	if _, err := w.db.UpdateNode(w.t.Context(), "00000000-0000-4000-8000-000000000001", func(n *ironic.Node) error {
		n.InstanceInfo = info
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnImageByURLIsFetchedOnceAndServed(t *testing.T) {
	list := "# sums\n" + strings.Repeat("00", 32) + "  other.img\n" + sum512 + " *cloud.img\n"
	for name, c := range map[string]struct {
		info map[string]any
		want conductor.Remote
	}{
		"algorithm and value": {map[string]any{"image_os_hash_algo": "SHA512", "image_os_hash_value": strings.ToUpper(sum512)}, conductor.Remote{Algo: "sha512", Sum: sum512}},
		"value alone":         {map[string]any{"image_os_hash_value": sum256}, conductor.Remote{Algo: "sha256", Sum: sum256}},
		"checksum":            {map[string]any{"image_checksum": sum256}, conductor.Remote{Algo: "sha256", Sum: sum256}},
		"algorithm in it":     {map[string]any{"image_checksum": "sha256:" + sum256}, conductor.Remote{Algo: "sha256", Sum: sum256}},
		"MD5":                 {map[string]any{"image_checksum": sum256[:32]}, conductor.Remote{Algo: "md5", Sum: sum256[:32]}},
		"the value wins":      {map[string]any{"image_checksum": sum256[:32], "image_os_hash_value": sum256}, conductor.Remote{Algo: "sha256", Sum: sum256}},
		"list":                {map[string]any{"image_checksum": "https://images.example.org/SUMS"}, conductor.Remote{Algo: "sha512", Sum: sum512}},
		"BSD list":            {map[string]any{"image_checksum": "https://images.example.org/BSD"}, conductor.Remote{Algo: "sha256", Sum: sum256}},
		"list of one":         {map[string]any{"image_checksum": "https://images.example.org/ONE"}, conductor.Remote{Algo: "sha256", Sum: sum256}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fetcher{files: map[string]string{imageURL: imageFile(t, "QFI\xfb")}, texts: map[string]string{
				"https://images.example.org/SUMS": list, "https://images.example.org/ONE": sum256 + "\n",
				"https://images.example.org/BSD": "SHA256 (x.img) = " + strings.Repeat("00", 32) + "\nSHA256 (cloud.img) = " + sum256 + "\n"}}
			cache := &rawCache{}
			w := newWorld(t, func(c *conductor.Config) { c.Fetcher, c.ImageCache, c.URLs = f, cache, guard() })
			w.node("available")
			c.info["image_source"] = imageURL
			w.setInstance(c.info)
			w.provision("active")
			w.await("active")
			c.want.URL, c.want.What = imageURL, "image_source of node control-1"
			if len(f.asked) != 1 || f.asked[0] != c.want {
				t.Errorf("fetched %+v, expected %+v", f.asked, c.want)
			}
			if len(cache.asked) != 1 || cache.asked[0].DiskFormat != "qcow2" || cache.asked[0].Name != "cloud.img" || cache.asked[0].SHA256 != "feed" {
				t.Errorf("converted %+v", cache.asked)
			}
			if h := w.history(); !strings.Contains(h, "fetches image https://images.example.org/disks/cloud.img") || strings.Contains(h, "Signature") {
				t.Errorf("history: %s", h)
			}
		})
	}
}

func TestAnImageByURLThatCannotBeUsedIsRefusedAtOnce(t *testing.T) {
	file := imageFile(t, "QFI\xfb")
	for name, c := range map[string]struct {
		info  map[string]any
		words string
	}{
		"no checksum":         {map[string]any{"image_source": imageURL}, "no checksum for https://images.example.org/disks/cloud.img."},
		"unknown algorithm":   {map[string]any{"image_source": imageURL, "image_os_hash_algo": "crc32", "image_os_hash_value": "00"}, `image_os_hash_algo is "crc32"`},
		"wrong length":        {map[string]any{"image_source": imageURL, "image_os_hash_algo": "sha512", "image_os_hash_value": sum256}, "no valid sha512 hash"},
		"not hexadecimal":     {map[string]any{"image_source": imageURL, "image_checksum": strings.Repeat("zz", 32)}, "image_checksum"},
		"list at the service": {map[string]any{"image_source": imageURL, "image_checksum": "http://192.0.2.1:6385/v1"}, "this service itself"},
		"service itself":      {map[string]any{"image_source": "http://192.0.2.1:6385/v1/nodes", "image_checksum": sum256}, "this service itself"},
		"metadata":            {map[string]any{"image_source": "http://169.254.169.254/x", "image_checksum": sum256}, "link-local"},
		"private file":        {map[string]any{"image_source": "file:///etc/shadow"}, "keeps its own files"},
		"MD5 for the agent":   {map[string]any{"image_source": imageURL, "image_checksum": sum256[:32], "image_download_source": "http"}, "is MD5, which no agent takes"},
		"partition":           {map[string]any{"image_source": "overcloud-full", "image_type": "partition"}, `image_type is "partition", and only images of whole disks`},
		"its kernel":          {map[string]any{"image_source": imageURL, "image_checksum": sum256, "kernel": "https://images.example.org/k"}, "instance_info/kernel makes image_source an image of one partition"},
		"its ramdisk":         {map[string]any{"image_source": "file:///x", "ramdisk": "file:///r"}, "instance_info/ramdisk makes image_source an image of one partition"},
		"download source":     {map[string]any{"image_source": imageURL, "image_checksum": sum256, "image_download_source": "swift"}, "expected http or local"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *conductor.Config) { c.Fetcher, c.URLs = &fetcher{}, guard() })
			w.node("available")
			w.setInstance(c.info)
			v, err := w.c.Validate(t.Context(), "control-1")
			if err != nil {
				t.Fatal(err)
			}
			if v["deploy"].Result || !strings.Contains(v["deploy"].Reason, c.words) || strings.Contains(v["deploy"].Reason, "Signature") {
				t.Errorf("deploy: %+v", v["deploy"])
			}
		})
	}
	t.Run("raw that is qcow2", func(t *testing.T) {
		w := newWorld(t, func(c *conductor.Config) { c.Fetcher = &fetcher{files: map[string]string{imageURL: file}} })
		w.node("available")
		w.setInstance(map[string]any{"image_source": imageURL, "image_checksum": sum256, "image_disk_format": "raw"})
		w.provision("active")
		if n := w.await("deploy failed"); !strings.Contains(n.LastError, "image is qcow2, and instance_info/image_disk_format says raw") {
			t.Error(n.LastError)
		}
	})
}

func TestARamdiskByURLIsFetchedAndValidationFetchesNothing(t *testing.T) {
	f := &fetcher{files: map[string]string{"https://images.example.org/k": "/fetched/k", "https://images.example.org/r": "/fetched/r"}}
	w := newWorld(t, func(c *conductor.Config) {
		c.Fetcher, c.URLs = f, guard()
		c.DeployRamdisk = "https://images.example.org/r"
	})
	n := w.node("manageable")
	setKernel := func(url string) {
		if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
			n.DriverInfo = map[string]any{"deploy_kernel": url}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	setKernel("http://169.254.169.254/k")
	if v, err := w.c.Validate(t.Context(), "control-1"); err != nil || v["boot"].Result || !strings.Contains(v["boot"].Reason, "deploy_kernel of node control-1") {
		t.Errorf("%+v, %v", v["boot"], err)
	}
	setKernel("https://images.example.org/k")
	if v, err := w.c.Validate(t.Context(), "control-1"); err != nil || !v["boot"].Result {
		t.Errorf("%+v, %v", v["boot"], err)
	}
	if len(f.asked) != 0 {
		t.Errorf("validation fetched %+v", f.asked)
	}
	w.script[n.UUID] = "dead"
	w.provision("inspect")
	w.await("inspect wait")
	if e, _ := w.net.entry(n.UUID); e.Kernel != "/fetched/k" || e.Ramdisk != "/fetched/r" {
		t.Errorf("%+v", e)
	}
}

// heartbeat sends one from a node that waits for its ramdisk.
func heartbeat(t *testing.T, w *world, n *ironic.Node, callback string) error {
	t.Helper()
	got, err := w.db.Node(t.Context(), n.UUID)
	if err != nil {
		t.Fatal(err)
	}
	return w.c.Heartbeat(t.Context(), n.UUID, agentapi.Heartbeat{CallbackURL: callback, AgentToken: conductor.Token(got)})
}

func TestAHeartbeatFromAForeignAddressIsRefused(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) {
		c.URLs, c.AgentNets = guard(), []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	n := w.node("manageable")
	w.script[n.UUID] = "dead"
	w.provision("inspect")
	w.await("inspect wait")
	if _, err := w.c.Lookup(t.Context(), []string{mac}, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.db.SaveInventory(t.Context(), ironic.Inventory{NodeUUID: n.UUID, Inventory: map[string]any{
		"interfaces": []any{map[string]any{"ipv4_address": "198.51.100.7"}}}}); err != nil {
		t.Fatal(err)
	}
	for callback, words := range map[string]string{
		"https://203.0.113.9:9999":  "neither on the provisioning network (192.0.2.0/24) nor an address of the node's own",
		"http://127.0.0.1:9999":     "neither on the provisioning network",
		"http://169.254.169.254":    "neither on the provisioning network",
		"http://192.0.2.1:6385":     "this service itself",
		"http://agent.example:9999": "expected an IP address",
	} {
		if err := heartbeat(t, w, n, callback); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", callback, err)
		}
	}
	if err := w.c.Heartbeat(t.Context(), n.UUID, agentapi.Heartbeat{CallbackURL: "http://203.0.113.9:1", AgentToken: "x"}); err == nil || strings.Contains(err.Error(), "provisioning") {
		t.Errorf("whoever has no token learns the network: %v", err)
	}
	if err := heartbeat(t, w, n, "http://198.51.100.7:9999"); err != nil {
		t.Errorf("the node's own address: %v", err)
	}
	if _, err := w.db.UpdateNode(t.Context(), n.UUID, func(n *ironic.Node) error {
		delete(n.DriverInternalInfo, "agent_url")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := heartbeat(t, w, n, "http://192.0.2.50:9999"); err != nil {
		t.Errorf("on the provisioning network: %v", err)
	}
}

func TestANodeIsToldThatNothingBootsHere(t *testing.T) {
	w := newWorld(t, func(c *conductor.Config) { c.NetBoot = nil })
	w.node("enroll") // so that it is looked at only when the machine is to boot
	w.provision("manage", func(r *api.ProvisionRequest) { r.ThenInspect = true })
	if n := w.await("inspect failed"); !strings.Contains(n.LastError, "network boot is not switched on") || !strings.Contains(n.LastError, "[netboot]") {
		t.Error(n.LastError)
	}
}

func TestAnAgentMayFetchTheImageItself(t *testing.T) {
	f := &fetcher{}
	w := newWorld(t, func(c *conductor.Config) { c.Fetcher, c.URLs = f, guard() })
	w.node("available")
	w.setInstance(map[string]any{"image_source": imageURL, "image_checksum": sum256, "image_download_source": "http"})
	w.provision("active")
	w.await("active")
	if len(f.asked) != 0 {
		t.Errorf("the service fetched %+v", f.asked)
	}
}

// A list of checksums is read only when the deployment has begun.
func TestAListWithMD5OnlyIsRefusedBeforeTheMachineStarts(t *testing.T) {
	f := &fetcher{texts: map[string]string{"https://images.example.org/SUMS": sum256[:32] + "  cloud.img\n"}}
	w := newWorld(t, func(c *conductor.Config) { c.Fetcher, c.URLs = f, guard() })
	w.node("available")
	w.setInstance(map[string]any{"image_source": imageURL, "image_checksum": "https://images.example.org/SUMS", "image_download_source": "http"})
	w.provision("active")
	if n := w.await("deploy failed"); !strings.Contains(n.LastError, "is MD5, which no agent takes") || !strings.Contains(n.LastError, "image_download_source") {
		t.Error(n.LastError)
	}
	if w.boots != 0 {
		t.Errorf("the machine was started %d times", w.boots)
	}
}

// What stands beside the name of an image does not make it one of a partition, and image_type wins.
func TestAnImageOfAWholeDiskMayHaveAKernelBesideIt(t *testing.T) {
	for name, info := range map[string]map[string]any{
		"name": {"image_source": "overcloud-full", "kernel": "k", "ramdisk": "r"},
		"type": {"image_source": imageURL, "image_checksum": sum256, "kernel": "k", "image_type": "whole-disk"},
	} {
		w := newWorld(t, func(c *conductor.Config) { c.Fetcher, c.URLs = &fetcher{}, guard() })
		w.node("available")
		w.setInstance(info)
		if v, err := w.c.Validate(t.Context(), "control-1"); err != nil || !v["deploy"].Result {
			t.Errorf("%s: %+v %v", name, v["deploy"], err)
		}
	}
}
