// Package domain says what a BMC needs from the machine it stands for. A virtual
// BMC of any protocol (IPMI now, Redfish later) works on this contract, so that
// both see one power state and one boot override.
package domain

import (
	"context"
	"errors"
)

// Errors a Machine returns; they come wrapped, so use errors.Is.
var (
	// ErrUnavailable: the hypervisor does not answer now. Try again later.
	ErrUnavailable = errors.New("hypervisor is not available")
	// ErrNotFound: the hypervisor has no such machine.
	ErrNotFound = errors.New("no such machine")
	// ErrNotSupported: this machine cannot do it, for example boot from a CD
	// drive that it has not.
	ErrNotSupported = errors.New("not supported by this machine")
	// ErrPoweredOff: the operation needs a running machine (reset, cycle, diag).
	ErrPoweredOff = errors.New("machine is powered off")
	// ErrBusy: somebody else has the serial console.
	ErrBusy = errors.New("somebody else has the console")
)

// Device is where a machine is asked to boot from.
type Device uint8

// The boot devices.
const (
	None Device = iota // no override: the machine's own order
	PXE
	Disk
	CDROM
	Floppy
)

func (d Device) String() string {
	names := [...]string{"none", "pxe", "disk", "cdrom", "floppy"}
	if int(d) >= len(names) {
		return "invalid"
	}
	return names[d]
}

// Override is a request to boot from another device.
type Override struct {
	Device     Device `json:"device"`
	Persistent bool   `json:"persistent"` // otherwise it is spent by the next start
	EFI        bool   `json:"efi"`        // recorded and given back; the firmware is the domain's own
}

// Machine is one machine under a BMC. Methods may be called from many
// goroutines; power operations on one machine happen one after another.
type Machine interface {
	// UUID returns the machine's identity in the byte order of its text form.
	// It does not block.
	UUID() ([16]byte, error)
	// Power reports whether the power is on. It answers from memory and does not
	// block; ErrUnavailable while the truth is not known.
	Power() (on bool, err error)

	// On starts the machine with the pending override, if there is one. A machine
	// that runs already is a success.
	On(ctx context.Context) error
	// Off pulls the plug. A machine that is off already is a success.
	Off(ctx context.Context) error
	// Soft presses the power button: the guest may or may not obey.
	Soft(ctx context.Context) error
	// Reset restarts the machine; with a pending override it starts from it.
	Reset(ctx context.Context) error
	// Cycle is power off, then on.
	Cycle(ctx context.Context) error
	// Diag sends the diagnostic interrupt (NMI).
	Diag(ctx context.Context) error

	// Override returns the override in force; a one-time override reads as None
	// after the start that spent it.
	Override() Override
	// SetOverride replaces the override. None takes back what an earlier override
	// changed. ErrNotSupported when the machine has no such device.
	SetOverride(ctx context.Context, o Override) error
}
