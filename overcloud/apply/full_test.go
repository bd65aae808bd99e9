package apply

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

func TestFullFilesystemIsNamed(t *testing.T) {
	dir := t.TempDir()
	for name, err := range map[string]error{
		"a file":    fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: filepath.Join(dir, "not/there/yet"), Err: syscall.ENOSPC}),
		"a link":    &os.LinkError{Op: "symlink", Old: "a", New: filepath.Join(dir, "b"), Err: syscall.EDQUOT},
		"a program": &RunError{"mysql", 1, "ERROR 3\nNo space left on device\n"},
	} {
		got := explain(err)
		if !strings.Contains(got.Error(), "the filesystem of /") || !strings.Contains(got.Error(), "is full") || !strings.Contains(got.Error(), "MiB are free") {
			t.Errorf("%s: %v", name, got)
		}
		if h := errs.HintOf(got); !strings.Contains(h, "du -xh") || !strings.Contains(h, "run the deploy again") {
			t.Errorf("%s: hint %q", name, h)
		}
	}
	if got := explain(&fs.PathError{Op: "open", Path: dir, Err: syscall.EROFS}); !strings.Contains(got.Error(), "can only be read") || errs.HintOf(got) == "" {
		t.Errorf("read-only: %v", got)
	}
	if err := fs.ErrNotExist; explain(err) != err {
		t.Error("another error was changed")
	}
}

func TestFullDiskFailsTheResourceWithWhatToDo(t *testing.T) {
	n := newNode(t)
	n.sys.codes["false"], n.sys.codes["db-sync"], n.sys.output = 1, 1, "No space left on device"
	if _, err := n.apply(resource.Resource{Type: "exec", Exec: &resource.Exec{Name: "x", Command: []string{"db-sync"}, Unless: []string{"false"}}}); err == nil {
		t.Fatal("no error")
	}
	if e := n.events[len(n.events)-1]; !strings.Contains(e.Error, "the filesystem of / is full") || !strings.Contains(e.Hint, "run the deploy again") {
		t.Errorf("event %+v", e)
	}
}

func TestImageThatLacksAPackageIsNamedWithTheService(t *testing.T) {
	n := newNode(t)
	n.put("var/lib/dpkg/status", "Package: chrony\nStatus: install ok installed\nVersion: 4.3\n\nPackage: nova-consoleproxy\nStatus: install ok installed\nProvides: nova-novncproxy\nVersion: 1\n")
	need := func(names ...string) resource.Resource {
		return resource.Resource{Type: "packages", Service: "glance_api", Packages: &resource.Packages{Names: names}}
	}
	n.must("unchanged packages:glance_api\ndone", need("chrony", "nova-novncproxy"))
	if _, err := n.apply(need("chrony", "glance-api", "python3-rbd")); err == nil {
		t.Fatal("no error")
	}
	e := n.events[len(n.events)-1]
	if !strings.Contains(e.Error, "the image lacks glance-api, python3-rbd, which service glance_api of role") || !strings.Contains(e.Hint, "image build") {
		t.Errorf("event %+v", e)
	}
}

func TestHintOfAnExecIsTold(t *testing.T) {
	n := newNode(t)
	n.sys.codes["virsh"], n.sys.output = 1, "error: KVM is not supported\n"
	n.sys.codes["false"] = 1
	_, err := n.apply(resource.Resource{Type: "exec", Exec: &resource.Exec{Name: "virt-type", Command: []string{"virsh"}, Unless: []string{"false"}, Hint: "deploy with --libvirt-type qemu"}})
	e := n.events[len(n.events)-1]
	if err == nil || e.Hint != "deploy with --libvirt-type qemu" || len(e.Tail) == 0 || !strings.Contains(e.Error, "KVM is not supported") {
		t.Errorf("event %+v", e)
	}
}
