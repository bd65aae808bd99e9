package network_test

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"

	"trefoil/overcloud/baremetal"
	"trefoil/overcloud/network"
)

// TestRealTreesParse: every network_data, vip_data and baremetal_deployment file
// of TripleO's trees is right, as they lie beside the project (TREFOIL_THT, default ../../../shared/data/tht).
func TestRealTreesParse(t *testing.T) {
	for tree, want := range map[string]int{"queens": 2, "wallaby": 29} {
		t.Run(tree, func(t *testing.T) {
			seen := 0
			walkTree(t, tree, func(name string, data []byte) {
				base := path.Base(name)
				switch {
				case strings.Contains(base, "vip_data") || strings.HasPrefix(base, "vip-data"):
					if _, err := network.ParseVIPs(name, data); err != nil {
						t.Error(err)
					}
				case strings.Contains(base, "network_data") || strings.Contains(name, "network-data-samples/"):
					nets, err := network.Parse(name, data)
					if err != nil {
						t.Error(err)
					}
					if v1 := strings.Contains(string(data), "\n  ip_subnet:"); len(nets) > 0 && nets[0].V2 == v1 {
						t.Errorf("%s: V2 is %v", name, nets[0].V2)
					}
				case strings.Contains(name, "baremetal-samples/"):
					if f, err := baremetal.Parse(name, data); err != nil {
						t.Error(err)
					} else if d, err := f.Expand(baremetal.Options{}); err != nil || len(d.Instances) != 6 || d.Instances[5].FixedIP() != "192.168.24.22" {
						t.Errorf("%s: %v", name, err)
					}
				default:
					return
				}
				seen++
			})
			if seen != want {
				t.Errorf("%d files, want %d", seen, want)
			}
		})
	}
}

func walkTree(t *testing.T, tree string, visit func(name string, data []byte)) {
	t.Helper()
	dir := os.Getenv("TREFOIL_THT")
	if dir == "" {
		dir = "../../../shared/data/tht"
	}
	f, err := os.Open(path.Join(dir, tree+".tar.xz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("TripleO's %s tree is not at %s: set TREFOIL_THT; the files in testdata are still tested", tree, dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	x, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(x); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || path.Ext(h.Name) != ".yaml" {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		visit(path.Clean(h.Name), data)
	}
}
