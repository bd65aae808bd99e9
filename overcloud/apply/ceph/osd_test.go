package ceph

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

func osd() *resource.CephOSD {
	return &resource.CephOSD{FSID: fsid, Keyring: "/bootstrap", MinSizeGB: 1}
}

func disk(path, use string) Disk { return Disk{Path: path, Bytes: 10 << 30, Use: use} }

// labels answers as ceph-bluestore-tool, numbers as the monitors.
func labels(t *testing.T, of map[string]label) func(Command) (string, error) {
	return func(c Command) (string, error) {
		switch c.Args[0] {
		case "ceph-bluestore-tool":
			l, ok := of[c.Args[3]]
			if !ok {
				return "", errors.New("ceph-bluestore-tool ended with code 1: unable to read label for " + c.Args[3] + ": (2) No such file or directory")
			}
			return fmt.Sprintf(`{%q: {"osd_uuid": %q, "ceph_fsid": %q, "whoami": %q, "osd_key": %q, "ready": %q}}`, c.Args[3], l.UUID, l.FSID, l.ID, l.Key, l.Ready), nil
		case "python3":
			var out []any
			for i := range strings.Count(c.Stdin, "\n") {
				out = append(out, map[string]int{"osdid": 7 + i})
			}
			return answers(t, out...), nil
		}
		return "", nil
	}
}

func TestOSDsOfEmptyDisks(t *testing.T) {
	m := newMachine(t)
	m.run = labels(t, nil)
	all := []Disk{{Path: "/dev/vda", Bytes: 40 << 30, Use: "has 4 partitions", Mounted: true}, disk("/dev/vdb", ""), disk("/dev/vdc", ""), {Path: "/dev/vdd", Bytes: 1 << 20}}
	m.plug("pci-0", "vdc")
	osds, err := m.Survey(t.Context(), osd(), all)
	if err != nil || len(osds) != 2 {
		t.Fatalf("%+v, error %v", osds, err)
	}
	if err := m.MakeOSDs(t.Context(), osd(), osds); err != nil {
		t.Fatal(err)
	}
	// One conversation for both disks, and no key on a command line.
	if len(m.ran) != 3 || m.ran[0] != "talk client.bootstrap-osd" || !slices.Contains(m.ran, "ceph-osd --mkfs --no-mon-config --id 8 --osd-uuid "+osds[1].UUID+" --keyfile -") {
		t.Errorf("ran %q", m.ran)
	}
	if strings.Contains(strings.Join(m.ran, " "), osds[0].Key) || !slices.Contains(m.in, osds[0].Key) {
		t.Error("the key is not on standard input alone")
	}
	dir := osdDir + "/ceph-7"
	if got := m.read(dir + "/keyring"); got != "[osd.7]\n\tkey = "+osds[0].Key+"\n" {
		t.Errorf("keyring %q", got)
	}
	if to, _ := os.Readlink(m.path(dir + "/block")); to != "/dev/vdb" || m.read(dir+"/fsid") != osds[0].UUID+"\n" || m.read(dir+"/type") != "bluestore\n" {
		t.Errorf("block is %q", to)
	}
	if to, _ := os.Readlink(m.path(osdDir + "/ceph-8/block")); to != "/dev/disk/by-path/pci-0" {
		t.Errorf("block is %q; expected a name that lasts", to)
	}
	if m.exists(intentDir+"/vdb.json") || m.exists(intentDir+"/pci-0.json") {
		t.Error("the intent stays behind")
	}
	if got := m.Units(); strings.Join(got, " ") != "ceph-osd@7 ceph-osd@8" {
		t.Errorf("units %q", got)
	}
}

// plug is udev: the disk at a place has that name since this boot.
func (m *machine) plug(place, name string) {
	m.t.Helper()
	link := m.path("/dev/disk/by-path/" + place)
	if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.RemoveAll(link), os.Symlink("../../"+name, link)); err != nil {
		m.t.Fatal(err)
	}
}

// Where no disks are named, one that came since the OSDs were made is seen without a process.
func TestADiskThatWasAddedIsUntaken(t *testing.T) {
	m := newMachine(t)
	m.run = labels(t, nil)
	all := []Disk{{Path: "/dev/vda", Bytes: 40 << 30, Mounted: true}, disk("/dev/vdb", ""), disk("/dev/vdc", "")}
	m.plug("pci-0", "vdc")
	osds, err := m.Survey(t.Context(), osd(), all)
	if err != nil || !m.Untaken(osd(), all) {
		t.Fatalf("error %v", err)
	}
	if err := m.MakeOSDs(t.Context(), osd(), osds); err != nil {
		t.Fatal(err)
	}
	if all = append(all, Disk{Path: "/dev/vdd", Bytes: 1 << 20}); m.Untaken(osd(), all) {
		t.Error("nothing was added but a disk that is too small")
	}
	all[3].Bytes = 10 << 30
	named := osd()
	named.Devices = []string{"/dev/vdb", "/dev/vdc"}
	if !m.Untaken(osd(), all) || m.Untaken(named, all) {
		t.Error("a disk was added; where disks are named it is not for Ceph")
	}
	m.plug("pci-0", "vdd") // the kernel may name them otherwise at the next boot
	if all[2].Path = "/dev/vde"; !m.Untaken(osd(), all) {
		t.Error("another disk has the name now")
	}
}

// What is reached over a network may be a server's volume: it is taken where a person named
// it, and else the error tells why it was not.
func TestADiskOverANetworkIsTakenWhereItIsNamed(t *testing.T) {
	m := newMachine(t)
	m.run = labels(t, nil)
	all := []Disk{{Path: "/dev/vda", Bytes: 40 << 30, Mounted: true}, {Path: "/dev/sdb", Bytes: 10 << 30, Remote: true}}
	want := osd()
	want.Zap = true
	if _, err := m.Survey(t.Context(), want, all); err == nil || !strings.Contains(err.Error(), "for Ceph; over a network: /dev/sdb") || !strings.Contains(errs.HintOf(err), "name it in CephAnsibleDisksConfig") {
		t.Errorf("error %v", err)
	}
	if m.Untaken(want, all) {
		t.Error("it is for nobody to take")
	}
	want.Devices = []string{"/dev/sdb"}
	if osds, err := m.Survey(t.Context(), want, all); err != nil || len(osds) != 1 || osds[0].Disk != "/dev/sdb" {
		t.Errorf("named: %+v, error %v", osds, err)
	}
	want.Devices, all = nil, append(all, disk("/dev/vdb", ""))
	if osds, err := m.Survey(t.Context(), want, all); err != nil || len(osds) != 1 || osds[0].Disk != "/dev/vdb" {
		t.Errorf("beside a disk of the machine's own: %+v, error %v", osds, err)
	}
}

// A run that was killed is gone on with: the same UUID and key, the disk begun anew.
func TestOSDThatWasCutShort(t *testing.T) {
	m := newMachine(t)
	answer := labels(t, nil)
	m.run = func(c Command) (string, error) {
		if c.Args[0] == "ceph-osd" {
			return "", errors.New("killed")
		}
		return answer(c)
	}
	first, err := m.Survey(t.Context(), osd(), []Disk{disk("/dev/vdb", "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.MakeOSDs(t.Context(), osd(), first); err == nil {
		t.Fatal("no error")
	}
	m.run = labels(t, map[string]label{"/dev/vdb": {UUID: first[0].UUID}}) // no cluster, not ready
	m.put("/dev/vdb", "half")
	again, err := m.Survey(t.Context(), osd(), []Disk{disk("/dev/vdb", blueStore)})
	if err != nil || again[0].UUID != first[0].UUID || again[0].Key != first[0].Key || again[0].made {
		t.Fatalf("%+v, error %v", again, err)
	}
	if err := m.MakeOSDs(t.Context(), osd(), again); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(m.ran, "\n"); !strings.Contains(all, "wipefs --all --force /dev/vdb") {
		t.Errorf("ran %s", all)
	}
}

// cutShort is a machine whose run was killed while it formatted /dev/vdb, at pci-b.
func cutShort(t *testing.T) (*machine, OSD) {
	t.Helper()
	m := newMachine(t)
	m.plug("pci-b", "vdb")
	answer := labels(t, nil)
	m.run = func(c Command) (string, error) {
		if c.Args[0] == "ceph-osd" {
			return "", errors.New("killed")
		}
		return answer(c)
	}
	osds, err := m.Survey(t.Context(), osd(), []Disk{disk("/dev/vdb", "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.MakeOSDs(t.Context(), osd(), osds); err == nil {
		t.Fatal("no error")
	}
	return m, osds[0]
}

// After a boot the kernel may call another disk /dev/vdb: what was begun goes with the disk,
// and the other one is not taken for it.
func TestWhatWasBegunGoesWithTheDiskNotWithTheKernelsName(t *testing.T) {
	m, first := cutShort(t)
	m.plug("pci-a", "vdb")
	m.plug("pci-b", "vdc")
	m.run = labels(t, map[string]label{"/dev/vdc": {UUID: first.UUID}}) // that of vdb cannot be read
	both := []Disk{disk("/dev/vdb", blueStore), disk("/dev/vdc", blueStore)}
	if _, err := m.Survey(t.Context(), osd(), both); err == nil || !strings.Contains(err.Error(), "/dev/vdb (10.0 GiB) holds an OSD whose label cannot be read") || strings.Contains(err.Error(), "/dev/vdc") {
		t.Errorf("error %v; expected that vdb is not overwritten, and vdc is known", err)
	}
	both[0].Use = "" // an empty one gets an OSD of its own
	osds, err := m.Survey(t.Context(), osd(), both)
	if err != nil || osds[0].UUID != "" || osds[1].UUID != first.UUID || osds[1].Key != first.Key {
		t.Errorf("%+v, error %v", osds, err)
	}
}

// A disk whose label could not be read in time, or for an error of the disk, may hold data:
// it is neither what a killed run left nor one that may be zapped.
func TestADiskThatCannotBeReadIsNotOverwritten(t *testing.T) {
	for _, why := range []error{context.Canceled, context.DeadlineExceeded,
		errors.New("ceph-bluestore-tool ended with code -1: not finished after 1m0s"),
		errors.New("ceph-bluestore-tool ended with code 1: unable to read label for /dev/vdb: (5) Input/output error")} {
		m, _ := cutShort(t)
		m.run = func(Command) (string, error) { return "", why }
		for _, zap := range []bool{false, true} {
			want := osd()
			want.Zap = zap
			osds, err := m.Survey(t.Context(), want, []Disk{disk("/dev/vdb", blueStore)})
			stopped := errors.Is(why, context.Canceled) // the disk needs no cure
			if !errors.Is(err, why) || !stopped && !strings.Contains(err.Error(), "read which OSD is on /dev/vdb") || stopped == (errs.HintOf(err) != "") {
				t.Errorf("%v, zap %t: %+v, error %v", why, zap, osds, err)
			}
		}
	}
}

// A name by what is on the disk does not last.
func TestAnIntentIsNotKeptByWhatIsWiped(t *testing.T) {
	m := newMachine(t)
	m.plug("pci-0", "vdb")
	m.plug("../by-id/lvm-pv-uuid-x", "vdb")
	if got := m.lasting("/dev/vdb"); got != "/dev/disk/by-path/pci-0" {
		t.Errorf("got %s", got)
	}
	m.plug("../by-id/virtio-serial", "vdb")
	if got := m.lasting("/dev/vdb"); got != "/dev/disk/by-id/virtio-serial" {
		t.Errorf("got %s", got)
	}
}

// An OSD of this cluster is kept, its directory made again from its label.
func TestOSDOfThisClusterIsKept(t *testing.T) {
	m := newMachine(t)
	m.run = labels(t, map[string]label{"/dev/vdb": {UUID: "u", FSID: fsid, ID: "3", Key: "K", Ready: "ready"}})
	osds, err := m.Survey(t.Context(), osd(), []Disk{disk("/dev/vdb", blueStore)})
	if err != nil || m.Started(osds[0]) {
		t.Fatalf("%+v, error %v", osds, err)
	}
	m.ran = nil
	if err := m.MakeOSDs(t.Context(), osd(), osds); err != nil || len(m.ran) != 0 {
		t.Fatalf("error %v; ran %q, expected nothing", err, m.ran)
	}
	if !m.Started(osds[0]) || m.read(osdDir+"/ceph-3/keyring") != "[osd.3]\n\tkey = K\n" {
		t.Error("the directory is not made again")
	}
}

func TestDisksWithDataAreRefusedTogetherUnlessTheyMayBeLost(t *testing.T) {
	m := newMachine(t)
	m.run = labels(t, map[string]label{"/dev/vdc": {UUID: "u", FSID: "another", ID: "3", Ready: "ready"}, "/dev/vdd": {UUID: "u", FSID: fsid}})
	all := []Disk{disk("/dev/vdb", "ext4"), disk("/dev/vdc", blueStore), disk("/dev/vdd", blueStore), disk("/dev/vde", blueStore), disk("/dev/vdf", "")}
	_, err := m.Survey(t.Context(), osd(), all)
	for _, want := range []string{"/dev/vdb (10.0 GiB) holds ext4", "/dev/vdc (10.0 GiB) holds an OSD of another Ceph cluster (another)",
		"/dev/vdd (10.0 GiB) holds an OSD that was not made to the end", "/dev/vde (10.0 GiB) holds an OSD whose label cannot be read"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; expected %q", err, want)
		}
	}
	zap := osd()
	zap.Zap = true
	osds, err := m.Survey(t.Context(), zap, all)
	if err != nil || len(osds) != 5 || !osds[0].zap || osds[4].zap {
		t.Errorf("%+v, error %v", osds, err)
	}
	zap.Devices = []string{"/dev/vdf"}
	if osds, err := m.Survey(t.Context(), zap, all); err != nil || len(osds) != 1 {
		t.Errorf("%+v, error %v", osds, err)
	}
	zap.Devices = []string{"/dev/vdz"}
	if _, err := m.Survey(t.Context(), zap, all); err == nil || !strings.Contains(err.Error(), "/dev/vdz: no such disk") {
		t.Errorf("error %v", err)
	}
	zap.Devices = []string{"/dev/vda"}
	if _, err := m.Survey(t.Context(), zap, []Disk{{Path: "/dev/vda", Bytes: 1 << 40, Use: "has 4 partitions", Mounted: true}}); err == nil || !strings.Contains(err.Error(), "in use by the system") {
		t.Errorf("error %v", err)
	}
}
