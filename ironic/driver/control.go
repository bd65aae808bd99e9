package driver

import (
	"context"

	"trefoil/ironic"
)

// What a Driver may also be. The conductor looks whether it is, and answers
// "does not support" where it is not. Methods are called under the node's lock,
// never two for one node at once.

// NMI interrupts a machine's processors, so that a hung system writes its dump.
type NMI interface {
	InjectNMI(ctx context.Context, n *ironic.Node) error
}

// BootModes chooses how a machine's firmware boots from the next start on. All
// methods are idempotent.
type BootModes interface {
	// SetBootMode chooses ironic.UEFI or ironic.BIOS.
	SetBootMode(ctx context.Context, n *ironic.Node, mode string) error
	SetSecureBoot(ctx context.Context, n *ironic.Node, on bool) error
}

// Media is a medium in one of a machine's virtual drives.
type Media struct {
	Device string // cdrom, disk or floppy
	URL    string // the BMC reads it; may hold a password
}

// VirtualMedia puts images that lie on the network into drives of a machine.
type VirtualMedia interface {
	// AttachMedia replaces what is in the drive.
	AttachMedia(ctx context.Context, n *ironic.Node, m Media) error
	// DetachMedia empties the drives; an empty one is no error.
	DetachMedia(ctx context.Context, n *ironic.Node, devices []string) error
	// Media lists the drives with something in them, in order of their names.
	Media(ctx context.Context, n *ironic.Node) ([]Media, error)
}

// Console is a machine's serial console.
type Console interface {
	// CheckConsole says without any I/O what the node lacks for one. Invalid.
	CheckConsole(n *ironic.Node) error
	// SetConsole starts or stops it; idempotent.
	SetConsole(ctx context.Context, n *ironic.Node, on bool) error
	// ResumeConsole starts one that people had started before the service was, or before
	// the node's instance. It works while the BMC is away; idempotent.
	ResumeConsole(ctx context.Context, n *ironic.Node) error
	// Console tells how to reach it: type and url. Only asked while it is on.
	Console(ctx context.Context, n *ironic.Node) (map[string]any, error)
}

// Vendor is a machine's methods beyond those of all machines (Ironic's vendor passthru).
type Vendor interface {
	VendorMethods() map[string]ironic.VendorMethod
	// CheckVendor looks at the arguments of a method without any I/O. Invalid: they
	// will not do, or there is no such method.
	CheckVendor(n *ironic.Node, method string, args map[string]any) error
	// CallVendor carries a method out once, and returns what happened in a sentence for
	// the node's history. It is not idempotent.
	CallVendor(ctx context.Context, n *ironic.Node, method string, args map[string]any) (string, error)
}
