package ipmi

import (
	"errors"
	"syscall"
)

// noIPv6 reports that the kernel has no IPv6.
func noIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)
}
