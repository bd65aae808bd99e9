package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"

	"trefoil/internal/errs"
	"trefoil/overcloud/image/gpt"
)

// options of a build that never runs, in a directory of the test's own.
func options(t *testing.T) Options {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"apt/sources.list":                   "# deb http://old.invalid/debian buster main\n",
		"apt/sources.list.d/debian.sources":  "Types: deb\nURIs: http://mirror.invalid/debian\nSuites: bookworm bookworm-updates\nComponents: main\n",
		"apt/sources.list.d/security.list":   "deb http://mirror.invalid/security bookworm-security main\n",
		"apt/sources.list.d/unrelated.list":  "deb http://mirror.invalid/other stable main\n",
		"apt/sources.list.d/gone.list.saved": "deb http://mirror.invalid/saved bookworm main\n",
		"os-apply-config":                    "binary",
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Packages: []string{"memcached", "chrony"}, OutputDir: filepath.Join(dir, "out"), CacheDir: filepath.Join(dir, "cache"),
		FirstBoot: filepath.Join(dir, "os-apply-config"), AptDir: filepath.Join(dir, "apt")}
}

func prepared(t *testing.T, o Options) *build {
	t.Helper()
	b, err := newBuild(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSourcesAreTheHostsOwnForTheSuite(t *testing.T) {
	b := prepared(t, options(t))
	var names []string
	for _, f := range b.sources.files {
		names = append(names, filepath.Base(f))
	}
	if got := strings.Join(names, " "); got != "debian.sources security.list" {
		t.Errorf("sources %s", got)
	}
	o := options(t)
	o.Suite = "trixie"
	if _, err := newBuild(o); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "no package source for Debian trixie") {
		t.Errorf("error %v", err)
	}
}

func TestNamesThatAreNoPackagesAreRefused(t *testing.T) {
	for _, p := range []string{"", "--help", "a b", "Chrony", "a;b", "../x"} {
		o := options(t)
		o.Packages = []string{p}
		if _, err := newBuild(o); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: error %v", p, err)
		}
	}
}

func TestKeyFollowsEveryInput(t *testing.T) {
	o := options(t)
	first := prepared(t, o).key()
	o.Packages = []string{"chrony", "memcached", "chrony"}
	if prepared(t, o).key() != first {
		t.Error("the order of packages changes the key")
	}
	for name, change := range map[string]func(*Options){
		"package":   func(o *Options) { o.Packages = append(o.Packages, "keystone") },
		"kernel":    func(o *Options) { o.Kernel = "linux-image-amd64" },
		"arguments": func(o *Options) { o.Cmdline = "debug" },
		"size":      func(o *Options) { o.SizeGB = 20 },
		"sources": func(o *Options) {
			os.WriteFile(filepath.Join(o.AptDir, "sources.list"), []byte("deb http://x.invalid/ bookworm main"), 0o644)
		},
		"first boot": func(o *Options) { os.WriteFile(o.FirstBoot, []byte("newer"), 0o644) },
	} {
		o := options(t)
		o.AptDir, o.FirstBoot = options(t).AptDir, options(t).FirstBoot
		before := prepared(t, o).key()
		change(&o)
		if prepared(t, o).key() == before {
			t.Errorf("%s: the key is the same", name)
		}
	}
}

func TestUpToDateNeedsAllFilesAtTheirSizes(t *testing.T) {
	o := options(t)
	b := prepared(t, o)
	b.tree, b.work = t.TempDir(), t.TempDir()
	os.MkdirAll(b.OutputDir, 0o755)
	for name, content := range map[string]string{"var/lib/dpkg/status": "Package: a\nStatus: install ok installed\nVersion: 1.0\n"} {
		writeFiles(b.tree, []rootFile{{name, content, 0o644}})
	}
	os.Symlink("boot/vmlinuz-6.1", filepath.Join(b.tree, "vmlinuz"))
	for _, ext := range []string{".qcow2", ".vmlinuz", ".initrd"} {
		os.WriteFile(b.staged(ext), []byte("content"+ext), 0o644)
	}
	m, err := b.publish()
	if err != nil {
		t.Fatal(err)
	}
	if m.Kernel != "6.1" || len(m.Packages) != 1 || m.Packages[0] != "a=1.0" || len(m.Files) != 3 || len(m.Files[0].SHA256) != 64 {
		t.Errorf("manifest %+v", m)
	}
	if _, ok := prepared(t, o).upToDate(); !ok {
		t.Error("the build just published is not up to date")
	}
	os.Truncate(filepath.Join(b.OutputDir, Name+".initrd"), 3)
	if _, ok := prepared(t, o).upToDate(); ok {
		t.Error("a cut file is up to date")
	}
}

func TestSecondBuildInTheSameCacheIsRefused(t *testing.T) {
	b := prepared(t, options(t))
	os.MkdirAll(filepath.Join(b.CacheDir, "work-left"), 0o755)
	unlock, err := b.lock()
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(b.CacheDir, "work-*")); len(left) != 0 {
		t.Error("work of a killed build is still there")
	}
	if _, err := b.lock(); !errs.Is(err, errs.Locked) {
		t.Errorf("error %v", err)
	}
	unlock()
	if again, err := b.lock(); err != nil {
		t.Error(err)
	} else {
		again()
	}
}

func TestWhatAptPrintsBecomesProgressAndAReason(t *testing.T) {
	var seen []Progress
	o := options(t)
	o.Progress = func(p Progress) { seen = append(seen, p) }
	w := &aptWatch{build: prepared(t, o)}
	w.read(strings.NewReader("0 upgraded, 2 newly installed, 0 to remove\nUnpacking chrony (4.3) ...\nSetting up chrony (4.3) ...\nE: Unable to locate package keystonne\n"))
	if len(seen) == 0 || seen[0].Done != 1 || seen[0].Total != 4 {
		t.Errorf("progress %+v", seen)
	}
	err := w.explain(errors.New("exit status 25"))
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "has no package keystonne") {
		t.Errorf("error %v", err)
	}
}

func TestBIOSPartsPointAtTheCore(t *testing.T) {
	boot, core := make([]byte, 512), make([]byte, 3*512+10)
	if err := placeBIOS(boot, core, 2048, 4096); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if le.Uint64(boot[0x5c:]) != 2048 || le.Uint64(core[0x1f4:]) != 2049 || le.Uint16(core[0x1fc:]) != 3 {
		t.Errorf("boot %x, core %x", boot[0x5c:0x64], core[0x1f4:0x200])
	}
	if placeBIOS(boot, make([]byte, 2049*512), 2048, 4096) == nil {
		t.Error("a core larger than its partition was accepted")
	}
}

func TestDiskHoldsTableLoaderAndSystemPartition(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	const sectors = rootFirst + 16384
	if err := f.Truncate(sectors * sector); err != nil {
		t.Fatal(err)
	}
	loader := bytes.Repeat([]byte("loader"), 100_000)
	if err := writeESP(f, loader); err != nil {
		t.Fatal(err)
	}
	l := &layout{bootImg: bytes.Repeat([]byte{7}, 512), coreImg: bytes.Repeat([]byte{8}, 700), rootBytes: 4096 * sector}
	name := f.Name()
	if err := writeBoot(f, l, sectors); err != nil {
		t.Fatal(err)
	}
	disk, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	table, err := gpt.Read(disk)
	if err != nil || table.Partitions[2].First != rootFirst || table.Partitions[1].Type != gpt.TypeESP {
		t.Errorf("table %+v, error %v", table, err)
	}
	b := make([]byte, 512)
	disk.ReadAt(b, 0)
	if b[439] != 7 || b[510] != 0x55 {
		t.Error("boot code or signature is missing")
	}
	esp, err := fat32.Read(file.New(disk, true), (rootFirst-espFirst)*sector, espFirst*sector, sector)
	if err != nil {
		t.Fatal(err)
	}
	in, err := esp.OpenFile("EFI/BOOT/BOOTX64.EFI", os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, loader) {
		t.Errorf("%d bytes of the loader, error %v", len(got), err)
	}
}

func TestTreeBecomesAMachineWithoutIdentity(t *testing.T) {
	b := prepared(t, options(t))
	b.tree = t.TempDir()
	if err := writeFiles(b.tree, []rootFile{
		{"etc/ssh/ssh_host_rsa_key", "private", 0o600}, {"var/lib/rabbitmq/.erlang.cookie", "cookie", 0o400}, {"var/log/dpkg.log", "x", 0o644},
		{"etc/keystone/keystone-uwsgi.ini", "[uwsgi]\nprocesses = 8\nthreads = 32\n", 0o644},
		{"etc/nova/nova-api-metadata-uwsgi.ini", "[uwsgi]\nprocesses=8\nenable-threads = true\nthreads = 32\n", 0o644},
		{"etc/pam.d/common-session", "session required pam_unix.so\nsession optional pam_systemd.so\n", 0o644},
		{"var/log/journal/1/system.journal", "of the build", 0o640},
		{"etc/iscsi/initiatorname.iscsi", "# of the build\nInitiatorName=iqn.1993-08.org.debian:01:9da2f9f13016\n", 0o600},
		{"etc/nvme/hostid", "57971b20-1a27-42cf-800b-e711c4135a79\n", 0o644}, {"etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:30f1aa3f\n", 0o644},
		{"etc/nvme/discovery.conf", "# Debian's\n", 0o644},
	}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.oneThread(), b.noSessions(), b.anonymous()); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"etc/ssh/ssh_host_rsa_key", "var/lib/rabbitmq/.erlang.cookie", "var/log/dpkg.log", "var/log/journal/1", "etc/nvme/hostid", "etc/nvme/hostnqn"} {
		if _, err := os.Stat(filepath.Join(b.tree, gone)); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
	// Where eventlet is, an API has one thread; how many processes there are is the templates' business.
	for name, want := range map[string]string{"etc/keystone/keystone-uwsgi.ini": "[uwsgi]\nprocesses = 8\nthreads = 1\n", "etc/nova/nova-api-metadata-uwsgi.ini": "[uwsgi]\nprocesses=8\nenable-threads = true\nthreads = 1\n", "etc/pam.d/common-session": "session required pam_unix.so\n",
		"etc/iscsi/initiatorname.iscsi": "GenerateName=yes\n", "etc/nvme/discovery.conf": "# Debian's\n"} { // the name is made at the first boot
		if got, _ := os.ReadFile(filepath.Join(b.tree, name)); string(got) != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestJournalIsDebiansOwn: on the disk, whatever an earlier builder wrote into the tree of the cache.
func TestJournalIsDebiansOwn(t *testing.T) {
	b := prepared(t, options(t))
	b.tree = t.TempDir()
	if err := writeFiles(b.tree, []rootFile{{"etc/systemd/journald.conf.d/10-overcloud.conf", "[Journal]\nStorage=volatile\n", 0o644}}); err != nil {
		t.Fatal(err)
	}
	flush := filepath.Join(b.tree, "etc/systemd/system/systemd-journal-flush.service")
	if err := errors.Join(os.MkdirAll(filepath.Dir(flush), 0o755), os.Symlink("/dev/null", flush)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := errors.Join(b.files(), b.anonymous()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(flush); err == nil || slices.Contains(masked, filepath.Base(flush)) {
		t.Error("systemd-journal-flush.service is masked: the journal stays in memory")
	}
	if left, _ := filepath.Glob(filepath.Join(b.tree, "etc/systemd/journald.conf.d/*")); len(left) > 0 {
		t.Errorf("the journal is configured by %q", left)
	}
	if info, err := os.Stat(filepath.Join(b.tree, "var/log/journal")); err != nil || !info.IsDir() {
		t.Errorf("no directory for the journal: %v", err)
	}
}
