package libvirt

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

	golibvirt "github.com/digitalocean/go-libvirt"
)

// Code is libvirt's error number (virErrorNumber).
type Code uint32

// The codes callers branch on. Source: libvirt/virterror.h.
const (
	CodeNoSupport        Code = 3
	CodeNoConnect        Code = 5
	CodeOperationFailed  Code = 9
	CodeXML              Code = 27
	CodeSystem           Code = 38
	CodeRPC              Code = 39
	CodeNoDomain         Code = 42
	CodeOperationInvalid Code = 55
	CodeConfigUnsupp     Code = 67
	CodeTimeout          Code = 68
)

// Error is a call that libvirt refused. It prints the action, libvirt's own
// reason and its code.
type Error struct {
	Op   string // what was being done, for example `start domain "control-1"`
	Code Code
	Msg  string // libvirt's words
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (libvirt error %d)", e.Op, e.Msg, e.Code)
}

// UnavailableError says that libvirtd could not be reached, went away during a
// call or did not answer in time. The outcome of the call is then unknown.
type UnavailableError struct {
	URI string
	Op  string
	Err error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%s: libvirt at %q does not answer: %v", e.Op, e.URI, e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// ErrTimeout is the cause when a call's deadline passed.
var ErrTimeout = errors.New("no reply within the deadline")

// ErrClosed is the cause when the Conn was closed by its owner.
var ErrClosed = errors.New("connection is closed")

// CodeOf returns libvirt's code in err's chain, or 0.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// IsNoDomain reports that libvirt has no such domain (42).
func IsNoDomain(err error) bool { return CodeOf(err) == CodeNoDomain }

// IsInvalidOperation reports that an object is not in a state that allows the
// operation (55): starting what runs, stopping what is off, but also starting what
// needs a network or a storage pool that is not active.
func IsInvalidOperation(err error) bool { return CodeOf(err) == CodeOperationInvalid }

// IsUnavailable reports that libvirtd is away or timed out: worth trying again later.
func IsUnavailable(err error) bool {
	var u *UnavailableError
	if errors.As(err, &u) {
		return true
	}
	switch CodeOf(err) {
	case CodeSystem, CodeRPC, CodeTimeout, CodeNoConnect:
		return true
	}
	return false
}

// IsNotListening reports that nothing listens where the daemon should: the connection was
// refused, or its socket is not there.
func IsNotListening(err error) bool {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return errors.Is(dial, syscall.ECONNREFUSED) || errors.Is(dial, fs.ErrNotExist)
	}
	return err != nil && notListeningThere(err.Error())
}

// notListeningThere is IsNotListening by what the far side of ssh says.
func notListeningThere(said string) bool {
	return strings.Contains(said, noFarSocket) || strings.Contains(said, helperFailed) &&
		(strings.Contains(said, "Connection refused") || strings.Contains(said, "No such file or directory"))
}

// wrap turns an error of the library into one of ours.
func wrap(uri, op string, err error) error {
	if err == nil {
		return nil
	}
	var le golibvirt.Error
	if errors.As(err, &le) {
		return &Error{Op: op, Code: Code(le.Code), Msg: le.Message}
	}
	var own *Error
	var un *UnavailableError
	if errors.As(err, &own) || errors.As(err, &un) {
		return err
	}
	return &UnavailableError{URI: uri, Op: op, Err: err}
}
