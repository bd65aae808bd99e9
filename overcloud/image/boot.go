package image

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"trefoil/overcloud/image/gpt"
)

// layout is where everything lies on the disk; sectors of 512 bytes.
type layout struct {
	rootUUID  string
	bootImg   []byte // BIOS: first sector
	coreImg   []byte // BIOS: GRUB's core, in the BIOS boot partition
	efiImg    []byte // UEFI: EFI/BOOT/BOOTX64.EFI
	rootBytes int64
}

const (
	biosFirst = 2048  // 1 MiB long
	espFirst  = 4096  // FAT32 needs more than 65525 clusters: 40 MiB of 512 bytes
	rootFirst = 86016 // 42 MiB
	sector    = gpt.Sector
)

// console output goes to the screen and to the serial port, where IPMI's
// serial over LAN and the lab's console log read it. Names of network devices
// are eth0, eth1 … in the order of the bus, which templates rely on.
const cmdline = "rw console=tty0 console=ttyS0,115200n8 net.ifnames=0 loglevel=4"

// emulated is what GRUB adds in QEMU's machines. Without KVM, Linux does not trust
// the time stamp counters of several processors, and reads the time from an
// emulated HPET: a system call and an access to a device where there was an
// instruction, a tenth of what a controller did. With KVM its own clock is used.
//
// A kernel that is stuck for two minutes starts anew: QEMU's emulator (7.2, several
// processors) now and then runs an instruction that Linux has replaced meanwhile, for
// ever. Nothing else would get such a machine back but somebody at its BMC.
const emulated = `smbios --type 1 --get-string 4 --set manufacturer
if [ "$manufacturer" = QEMU ]; then
  emulated="tsc=reliable psi=0 watchdog_thresh=60 softlockup_panic=1 panic=10"
  export emulated
fi
`

// moduleSets are what GRUB must have in it to find the root and its kernel.
var moduleSets = map[string][]string{
	"i386-pc":    {"biosdisk", "part_gpt", "ext2", "search", "search_fs_uuid", "normal", "configfile", "linux", "test", "echo", "smbios"},
	"x86_64-efi": {"part_gpt", "ext2", "search", "search_fs_uuid", "normal", "configfile", "linux", "test", "echo", "smbios", "all_video", "gfxterm"},
}

// bootFiles makes the loaders and their configuration.
func (b *build) bootFiles(ctx context.Context, l *layout) error {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	l.rootUUID = gpt.FromBytes(id).String()
	grub := fmt.Sprintf("set timeout=0\n%smenuentry overcloud {\n  linux /vmlinuz root=UUID=%s %s $emulated %s\n  initrd /initrd.img\n}\n", emulated, l.rootUUID, cmdline, b.Cmdline)
	load := fmt.Sprintf("search --no-floppy --fs-uuid --set=root %s\nset prefix=($root)/boot/grub\nconfigfile ($root)/boot/grub/grub.cfg\n", l.rootUUID)
	if err := writeFiles(b.tree, []rootFile{{"boot/grub/grub.cfg", grub, 0o644}}); err != nil {
		return err
	}
	conf := filepath.Join(b.work, "load.cfg")
	if err := os.WriteFile(conf, []byte(load), 0o600); err != nil {
		return err
	}
	var err error
	if l.coreImg, err = b.mkimage(ctx, "i386-pc", conf); err != nil {
		return err
	}
	if l.efiImg, err = b.mkimage(ctx, "x86_64-efi", conf); err != nil {
		return err
	}
	if l.bootImg, err = os.ReadFile("/usr/lib/grub/i386-pc/boot.img"); err != nil {
		return err
	}
	return placeBIOS(l.bootImg, l.coreImg, biosFirst, espFirst)
}

func (b *build) mkimage(ctx context.Context, target, conf string) ([]byte, error) {
	out := filepath.Join(b.work, target+".img")
	args := append([]string{"-O", target, "-p", "/boot/grub", "-c", conf, "-o", out}, moduleSets[target]...)
	if msg, err := output(command(ctx, "grub-mkimage", args...)); err != nil {
		return nil, fmt.Errorf("make GRUB for %s: %w: %s", target, err, msg)
	}
	return os.ReadFile(out)
}

// placeBIOS writes into GRUB's two BIOS parts where the core lies, as
// grub-install does: boot.img holds the core's first sector at 0x5c; the core's
// own first sector holds a block list {first, count, segment} at its end, whose
// first entry is the rest of it. The two bytes at 0x66 take out the jump that
// would ask a broken BIOS for its drive number again.
func placeBIOS(boot, core []byte, first, limit uint64) error {
	le := binary.LittleEndian
	n := (uint64(len(core)) + sector - 1) / sector
	if len(boot) != sector || n < 2 {
		return fmt.Errorf("GRUB for BIOS: boot.img of %d and core of %d bytes are not what was expected", len(boot), len(core))
	}
	if first+n > limit {
		return fmt.Errorf("GRUB for BIOS: the core of %d sectors does not fit the %d of its partition", n, limit-first)
	}
	le.PutUint64(boot[0x5c:], first)
	boot[0x66], boot[0x67] = 0x90, 0x90
	le.PutUint64(core[0x1f4:], first+1)
	le.PutUint16(core[0x1fc:], uint16(n-1))
	le.PutUint16(core[0x1fe:], 0x820)
	return nil
}
