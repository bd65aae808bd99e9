package ipmi

import (
	"context"
	"errors"
	"fmt"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/driver"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"
)

// System boot options: IPMI 2.0, sections 28.12 and 28.13.
const (
	cmdSetBootOptions uint8 = 0x08
	cmdGetBootOptions uint8 = 0x09

	paramClearing  byte = 0x03 // what the BMC does with boot flags by itself
	keepAfter60s   byte = 0x08 // not: clear them after 60 s without a restart
	paramBootFlags byte = 0x05

	flagValid      byte = 0x80
	flagPersistent byte = 0x40
	flagEFI        byte = 0x20

	deviceMask     byte = 0x3c
	deviceSuperEFI byte = 0x24 // the hard disk of Supermicro's UEFI
	supermicro          = 10876
)

// devices are the boot devices with their code in the second byte of the flags.
func devices() map[string]byte {
	return map[string]byte{ironic.BootPXE: 0x04, ironic.BootDisk: 0x08, ironic.BootCDROM: 0x14,
		ironic.BootBIOS: 0x18, ironic.BootSafe: 0x0c}
}

// SupportedBootDevices names what SetBootDevice takes.
func (d *Driver) SupportedBootDevices(*ironic.Node) []string {
	return []string{ironic.BootPXE, ironic.BootDisk, ironic.BootCDROM, ironic.BootBIOS, ironic.BootSafe}
}

// bootFlags makes the five bytes of parameter 5. The EFI bit is set unless the
// node is known to boot by BIOS.
func bootFlags(n *ironic.Node, device string, persistent bool, maker uint32) []byte {
	f, code := flagValid, devices()[device]
	if persistent {
		f |= flagPersistent
	}
	if driver.BootMode(n) == ironic.UEFI {
		f |= flagEFI
		if device == ironic.BootDisk && maker == supermicro {
			code = deviceSuperEFI
		}
	}
	return []byte{f, code, 0, 0, 0}
}

// SetBootDevice writes the boot flags and reads them back.
func (d *Driver) SetBootDevice(ctx context.Context, n *ironic.Node, device string, persistent bool) error {
	if err := driver.CheckBootDevice(d, n, device); err != nil {
		return err
	}
	i, err := parse(n)
	if err != nil {
		return err
	}
	maker, err := d.maker(ctx, n, device)
	if err != nil {
		return err
	}
	want := bootFlags(n, device, persistent, maker)
	var got []byte
	err = d.do(ctx, n, "set the boot device", func(ctx context.Context, c *client.Client) error {
		if i.noBoot60 {
			// A BMC that does not know this parameter keeps its flags anyway or not at all.
			_, err := c.RawCommand(ctx, types.NetFnChassisRequest, cmdSetBootOptions, []byte{paramClearing, keepAfter60s}, "Set System Boot Options")
			if _, refused := types.IsResponseError(err); err != nil && !refused {
				return err
			}
		}
		if _, err := c.RawCommand(ctx, types.NetFnChassisRequest, cmdSetBootOptions, append([]byte{paramBootFlags}, want...), "Set System Boot Options"); err != nil {
			return err
		}
		var err error
		got, err = readFlags(ctx, c)
		return err
	})
	if err != nil {
		return err
	}
	if got[0]&flagValid == 0 || got[1]&deviceMask != want[1]&deviceMask {
		return errs.New(errs.Conflict, "the BMC %s took the boot device %s but reads back flags %#02x %#02x instead of %#02x %#02x",
			i.addr(), device, got[0], got[1], want[0], want[1]).WithHint("its firmware may not support this device: choose another")
	}
	return nil
}

// maker asks once for the manufacturer, where it makes a difference.
func (d *Driver) maker(ctx context.Context, n *ironic.Node, device string) (uint32, error) {
	if device != ironic.BootDisk || driver.BootMode(n) != ironic.UEFI {
		return 0, nil
	}
	s := d.session(n.UUID)
	var maker uint32
	err := d.do(ctx, n, "read the BMC's identity", func(ctx context.Context, c *client.Client) error {
		if !s.asked {
			id, err := c.GetDeviceID(ctx)
			if _, refused := types.IsResponseError(err); err != nil && !refused {
				return err
			}
			s.asked, s.maker = true, 0
			if err == nil {
				s.maker = id.ManufacturerID
			}
		}
		maker = s.maker
		return nil
	})
	return maker, err
}

var errShort = errors.New("the answer to Get System Boot Options is too short")

// readFlags returns at least the first two bytes of parameter 5.
func readFlags(ctx context.Context, c *client.Client) ([]byte, error) {
	res, err := c.RawCommand(ctx, types.NetFnChassisRequest, cmdGetBootOptions, []byte{paramBootFlags, 0, 0}, "Get System Boot Options")
	if err != nil {
		return nil, err
	}
	if len(res.Response) < 4 { // version, parameter, then its data
		return nil, fmt.Errorf("%w: % x", errShort, res.Response)
	}
	return res.Response[2:], nil
}

// BootDevice reads the boot flags; an empty device means that none is forced.
func (d *Driver) BootDevice(ctx context.Context, n *ironic.Node) (string, bool, error) {
	var flags []byte
	err := d.do(ctx, n, "read the boot device", func(ctx context.Context, c *client.Client) error {
		var err error
		flags, err = readFlags(ctx, c)
		return err
	})
	if err != nil {
		return "", false, err
	}
	device, persistent := decodeFlags(flags)
	return device, persistent, nil
}

func decodeFlags(flags []byte) (string, bool) {
	if len(flags) < 2 || flags[0]&flagValid == 0 {
		return "", false
	}
	persistent := flags[0]&flagPersistent != 0
	code := flags[1] & deviceMask
	if code == deviceSuperEFI {
		return ironic.BootDisk, persistent
	}
	for name, c := range devices() {
		if c == code {
			return name, persistent
		}
	}
	return "", persistent
}
