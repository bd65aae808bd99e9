package ramdisk

import (
	"path/filepath"
	"slices"
	"strings"

	"trefoil/internal/initramfs"
	"trefoil/ironic/agent/kmods"
)

// choice is which modules a flavor takes, and which it loads whatever devices there are.
type choice struct {
	initramfs.Choice
	always []string
}

// choices per flavor. Cloud kernels are for virtual machines; what is not in the
// kernel that is used is passed over.
func choices(f initramfs.Flavor) choice {
	c := choice{always: []string{"sd_mod"}, Choice: initramfs.Choice{
		Dirs: []string{"drivers/virtio"},
		// big and of no use to a ramdisk
		Skip:  []string{"virtio_mem", "virtio_input", "virtio_balloon", "virtio_dma_buf"},
		Names: []string{"virtio_net", "virtio_blk", "virtio_scsi", "virtio_rng", "nvme", "sd_mod", "efivarfs"},
	}}
	if f == initramfs.Generic {
		c.Dirs = append(c.Dirs, "drivers/net/ethernet", "drivers/net/hyperv", "drivers/net/vmxnet3", "drivers/ata", "drivers/scsi",
			"drivers/nvme/host", "drivers/message/fusion", "drivers/usb/host", "drivers/usb/storage", "drivers/mmc",
			"drivers/char/ipmi", "drivers/hid/usbhid", "drivers/block/mtip32xx")
		c.Names = append(c.Names, "hid_generic", "xen_blkfront", "xen_netfront", "hv_storvsc", "hv_vmbus", "crc32c_generic", "crc32c_intel", "crct10dif_pclmul")
	}
	return c
}

// selectModules reads the kernel's modules and returns those of the flavor with
// everything they need, and the manifest of them.
func selectModules(dir string, f initramfs.Flavor) ([]initramfs.Module, *kmods.Manifest, error) {
	c := choices(f)
	mods, err := initramfs.Select(dir, c.Choice)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(mods, func(a, b initramfs.Module) int { return strings.Compare(a.Name, b.Name) })
	man := &kmods.Manifest{Kernel: filepath.Base(dir)}
	for _, m := range mods {
		man.Modules = append(man.Modules, kmods.Module{Name: m.Name, File: m.File(), Deps: m.Deps, Aliases: m.Aliases})
		if slices.Contains(c.always, m.Name) {
			man.Always = append(man.Always, m.Name)
		}
	}
	return mods, man, nil
}
