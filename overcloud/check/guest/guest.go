// Package guest makes the tiny image that `openstack overcloud check` boots:
// Debian's kernel and an initramfs of busybox and a script, which tells on its
// console what it sees of the cloud around it. The script, init, is its manual.
package guest

import (
	"bytes"
	"context"
	"debug/elf"
	"embed"
	"errors"
	"fmt"
	"os"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/initramfs"
)

// CommandLine is the kernel's. All but the console is for guests that run emulated on
// emulated machines, where code that runs the first time and each probe of hardware cost:
// with these a guest boots in five sixths of the processor time (measured: 176 s and
// 148 s). A tick that never stops (nohz=off) would make it 126 s, but the guest then idles
// with 56 % of a processor and not with 28, which the check's other steps wait for.
//
// There, Linux also gives up ACPI's table of interrupts, half a minute of loops, and has no
// devices then: it takes that of the BIOS (acpi=noirq), which has no messages instead of
// interrupts (pci=nomsi). Hotplug is still ACPI's; init gives those devices their interrupts.
// With one processor Linux would take the locks' prefixes out of its code (noreplace-smp):
// each is a page of code that QEMU translates anew.
//
// Nova keeps 255 bytes of it for a server's next starts: what is needed comes first.
const CommandLine = needed + " " + quicker

const needed = "console=ttyS0 acpi=noirq pci=nomsi quiet panic=10 tsc=reliable no_timer_check mitigations=off noreplace-smp random.trust_cpu=on ipv6.disable=1 " +
	"audit=0 nokaslr 8250.nr_uarts=1 nowatchdog cryptomgr.notests"

const quicker = "edd=off raid=noautodetect lsm=capability init_on_alloc=0 debugfs=off rodata=off transparent_hugepage=never numa=off cgroup_disable=memory " +
	"rcupdate.rcu_expedited=1 initcall_blacklist=" + unused

// unused are parts of the kernel that the guest has no use for, those that take longest to
// begin: tracing alone took 20 s of a guest's boot. Names that a kernel has not are passed over.
const unused = "tracer_init_tracefs,init_kprobe_trace,init_uprobe_trace,trace_eval_init,trace_eval_sync,crypto_kdf108_init,slab_sysfs_init," +
	"load_system_certificate_list,cmos_init,i8042_init,init_ima,init_evm"

// BusyBox is where Debian's busybox-static puts its program.
const BusyBox = "/bin/busybox"

//go:embed init lease ask
var scripts embed.FS

// Files are what a guest boots.
type Files struct {
	Version   string // of the kernel
	Kernel    []byte
	Initramfs []byte
}

// Build makes the guest of Debian's current cloud kernel, fetched with apt and kept
// below cacheDir, and of a static busybox. The same input gives the same bytes.
func Build(ctx context.Context, cacheDir, busybox string) (*Files, error) {
	program, err := static(busybox)
	if err != nil {
		return nil, err
	}
	k, err := initramfs.FetchKernel(ctx, cacheDir, initramfs.Cloud)
	if err != nil {
		return nil, err
	}
	f := &Files{Version: k.Version}
	if f.Kernel, err = os.ReadFile(k.Image); err != nil {
		return nil, fmt.Errorf("read the guest's kernel: %w", err)
	}
	mods, err := initramfs.Select(k.ModulesDir, initramfs.Choice{Names: []string{"virtio_pci", "virtio_net", "virtio_blk"}})
	if err != nil {
		return nil, err
	}
	// Not compressed: it is 3 MB, and unpacking costs the guest more than the network.
	var buf bytes.Buffer
	if err := write(&buf, program, mods); err != nil {
		return nil, fmt.Errorf("write the guest's initramfs: %w", err)
	}
	f.Initramfs = buf.Bytes()
	return f, nil
}

// static reads a program that needs nothing else to run.
func static(path string) ([]byte, error) {
	hint := "install busybox-static: apt-get install busybox-static"
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the guest needs a static busybox").WithHint("%s", hint)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s is no program", path).WithHint("%s", hint)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, errs.New(errs.Invalid, "%s is not static: it needs libraries that the guest has not", path).WithHint("%s", hint)
		}
	}
	return data, nil
}

func write(buf *bytes.Buffer, busybox []byte, mods []initramfs.Module) error {
	ar := initramfs.NewArchive(buf)
	err := errors.Join(ar.Dirs("bin", "dev", "proc", "sys", "run", "www", "lib", "lib/modules"), ar.Console(), ar.File("bin/busybox", 0o755, busybox))
	if err != nil {
		return err
	}
	for _, s := range [][2]string{{"init", "init"}, {"lease", "lib/lease"}, {"ask", "lib/ask"}} {
		text, err := scripts.ReadFile(s[0])
		if err != nil {
			return err
		}
		if err := ar.File(s[1], 0o755, text); err != nil {
			return err
		}
	}
	var order strings.Builder
	for _, m := range mods {
		data, err := m.Read()
		if err != nil {
			return err
		}
		if err := ar.File(m.File()[1:], 0o644, data); err != nil {
			return err
		}
		order.WriteString(m.Name + "\n")
	}
	if err := ar.File("lib/modules/order", 0o644, []byte(order.String())); err != nil {
		return err
	}
	return ar.Close()
}
