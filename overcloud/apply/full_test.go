package apply

import (
	"errors"
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
		"a file": fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: filepath.Join(dir, "not/there/yet"), Err: syscall.ENOSPC}),
		"a link": &os.LinkError{Op: "symlink", Old: "a", New: filepath.Join(dir, "b"), Err: syscall.EDQUOT},
	} {
		got := explain(err, nil)
		if !strings.Contains(got.Error(), "the filesystem of /") || !strings.Contains(got.Error(), "is full") || !strings.Contains(got.Error(), "MiB are free") {
			t.Errorf("%s: %v", name, got)
		}
		if h := errs.HintOf(got); !strings.Contains(h, "du -xh") || !strings.Contains(h, "run the deploy again") {
			t.Errorf("%s: hint %q", name, h)
		}
	}
	// What a program says counts where there is no room: /proc has none.
	if got := explain(&RunError{"cp", 1, "OSError: [Errno 28] No space left on device: '/proc/x'\n"}, nil); !strings.HasPrefix(got.Error(), "the filesystem of /proc is full") {
		t.Errorf("a program: %v", got)
	}
	if err := (&RunError{"cp", 1, "No space left on device: '" + dir + "/x'\n"}); explain(err, nil) != error(err) {
		t.Error("a filesystem with room is called full")
	}
	if got := explain(&fs.PathError{Op: "open", Path: dir, Err: syscall.EROFS}, nil); !strings.Contains(got.Error(), "can only be read") || errs.HintOf(got) == "" {
		t.Errorf("read-only: %v", got)
	}
	if err := fs.ErrNotExist; explain(err, nil) != err {
		t.Error("another error was changed")
	}
}

func TestFullDiskFailsTheResourceWithWhatToDo(t *testing.T) {
	n := newNode(t)
	n.sys.codes["false"], n.sys.codes["db-sync"], n.sys.output = 1, 1, "No space left on device: '/proc/x'"
	if _, err := n.apply(resource.Resource{Type: "exec", Exec: &resource.Exec{Name: "x", Command: []string{"db-sync"}, Unless: []string{"false"}}}); err == nil {
		t.Fatal("no error")
	}
	if e := n.events[len(n.events)-1]; !strings.Contains(e.Error, "the filesystem of /proc is full") || !strings.Contains(e.Hint, "run the deploy again") {
		t.Errorf("event %+v", e)
	}
}

// A service whose disk is full dies, or does not answer; its log says why.
func TestFullDiskBehindAServiceIsTheCause(t *testing.T) {
	const journal = `mariadb.service: Main process exited, code=exited, status=1/FAILURE
2026-11-26 17:00:00 0 [ERROR] InnoDB: Error number 28 means: No space left on device: '/proc/x'
mariadb.service: Failed with result 'exit-code'.
`
	service := of("mysql", unitRes("mariadb"), resource.Resource{Type: "wait", Wait: &resource.Wait{Name: "mysql", TCP: "a:3306", Unit: "mariadb", Timeout: 60}})
	for name, c := range map[string]struct {
		prepare func(*node)
		key     string
	}{
		"does not start":  {func(n *node) { n.sys.broken["mariadb.service"] = true }, "unit:mariadb"},
		"ends at once":    {func(n *node) { n.sys.after = map[string]string{"mariadb.service": "failed"} }, "unit:mariadb"},
		"does not answer": {func(n *node) { n.sys.answers = 1 << 30 }, "wait:mysql"},
	} {
		n := newNode(t)
		n.sys.units["mariadb.service"], n.sys.journal = "inactive", journal
		c.prepare(n)
		if _, err := n.apply(service...); err == nil {
			t.Fatalf("%s: no error", name)
		}
		e := n.events[len(n.events)-1]
		if e.Key != c.key || !strings.HasPrefix(e.Error, "the filesystem of /proc is full") || !strings.Contains(e.Hint, "run the deploy again") || len(e.Tail) < 3 {
			t.Errorf("%s: event %+v", name, e)
		}
	}
	got := explain(errors.New("no answer"), []string{"OSError: [Errno 28] No space left on device: '/proc/x'", "later"})
	if want := "the filesystem of /proc is full"; !strings.HasPrefix(got.Error(), want) {
		t.Errorf("%v, expected %s", got, want)
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
