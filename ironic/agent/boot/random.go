package boot

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rndAddEntropy is RNDADDENTROPY of linux/random.h.
const rndAddEntropy = 0x40085203

// SeedRandom makes sure that getrandom(2) answers. A virtual machine without
// virtio-rng and RDRAND may never gather what the kernel wants (seen under TCG
// with Debian's 6.1: for minutes), and the first random number, DHCP's
// transaction id, would then block for ever without a word.
//
// What it feeds, the jitter of 4096 timed hashes with all that is particular to
// this machine and boot, is good for transaction and partition ids. The ramdisk
// makes no keys: the agent's token comes from the conductor.
func SeedRandom() error {
	var b [1]byte
	if _, err := unix.Getrandom(b[:], unix.GRND_NONBLOCK); err == nil {
		return nil
	} else if !errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("getrandom: %w", err)
	}
	pool := struct {
		bits, size int32
		buf        [sha256.Size]byte
	}{bits: 8 * sha256.Size, size: sha256.Size, buf: jitter()}
	f, err := os.OpenFile("/dev/random", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("seed random numbers: %w", err)
	}
	defer f.Close()
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), rndAddEntropy, uintptr(unsafe.Pointer(&pool))); e != 0 {
		return fmt.Errorf("seed random numbers: %w", e)
	}
	return nil
}

// jitter hashes the machine's own marks, then how long each hash took.
func jitter() [sha256.Size]byte {
	h := sha256.New()
	for _, pattern := range []string{"/sys/class/net/*/address", "/sys/class/dmi/id/product_*", "/proc/interrupts", "/proc/stat", "/proc/cmdline", "/sys/class/rtc/rtc0/since_epoch"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			data, _ := os.ReadFile(name) // what is not there adds nothing
			h.Write(data)
		}
	}
	start := time.Now()
	var stamp [8]byte
	for range 4096 {
		binary.LittleEndian.PutUint64(stamp[:], uint64(time.Since(start)))
		h.Write(stamp[:])
		h.Sum(nil)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
