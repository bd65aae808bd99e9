package kmods

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func manifest() *Manifest {
	return &Manifest{Always: []string{"sd_mod"}, Modules: []Module{
		{Name: "sd_mod", Deps: []string{"scsi_mod"}},
		{Name: "scsi_mod"},
		{Name: "virtio_pci", Deps: []string{"virtio", "built_in"}, Aliases: []string{"pci:v00001AF4d*sv*sd*bc*sc*i*"}},
		{Name: "virtio"},
		{Name: "virtio_net", Deps: []string{"virtio", "failover"}, Aliases: []string{"virtio:d00000001v*"}},
		{Name: "failover"},
		{Name: "unneeded", Aliases: []string{"pci:v00008086d*"}},
	}}
}

func TestOrderPutsDependenciesFirst(t *testing.T) {
	m := manifest()
	m.Modules[5].Deps = []string{"virtio_net"} // a circle must end
	var got []string
	for _, mod := range m.Order("virtio_net") {
		got = append(got, mod.Name)
	}
	if want := []string{"virtio", "failover", "virtio_net"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestColdplugFollowsTheBus: loading virtio_pci brings a device with an alias of its own.
func TestColdplugFollowsTheBus(t *testing.T) {
	sys := t.TempDir()
	device := func(path, alias string) {
		dir := filepath.Join(sys, "devices", path)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "modalias"), []byte(alias+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	device("pci0/0000:00:03.0", "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00")
	var got []string
	l := &Loader{Manifest: manifest(), SysDir: sys, Insert: func(m Module) error {
		got = append(got, m.Name)
		if m.Name == "virtio_pci" {
			device("pci0/0000:00:03.0/virtio0", "virtio:d00000001v00001AF4")
		}
		if m.Name == "failover" {
			return errors.New("no such symbol")
		}
		return nil
	}}
	l.Coldplug()
	l.Coldplug() // nothing twice
	want := []string{"scsi_mod", "sd_mod", "virtio", "virtio_pci", "failover", "virtio_net"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}
