package disk

import (
	"errors"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agent/gpt"
)

// espType is the type of EFI system partitions, C12A7328-F81F-11D2-BA4B-00A0C93EC93B as stored on disk.
func espType() [16]byte {
	return [16]byte{0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b}
}

// CheckBootable says when a disk surely cannot boot in a mode: no EFI system
// partition for UEFI, no boot code in the first sector for BIOS.
func CheckBootable(d Device, mode string) error {
	if mode != ironic.UEFI {
		head := make([]byte, 512)
		if _, err := d.ReadAt(head, 0); err != nil {
			return err
		}
		if head[510] != 0x55 || head[511] != 0xaa || head[0] == 0 {
			return errs.New(errs.Invalid, "the image on %s has no boot code for BIOS", d.Name()).
				WithHint("use an image that boots by BIOS, or set the capability boot_mode:uefi")
		}
		return nil
	}
	t, err := gpt.Read(d, d.Sector())
	if errors.Is(err, gpt.ErrNone) {
		return nil // an MBR may have an EFI partition, too; the firmware will tell
	}
	if err != nil {
		return err
	}
	for _, p := range t.Partitions {
		if p.Type == espType() {
			return nil
		}
	}
	return errs.New(errs.Invalid, "the image on %s has no EFI system partition", d.Name()).
		WithHint("use an image that boots by UEFI, or set the capability boot_mode:bios")
}
