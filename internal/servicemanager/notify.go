// Package servicemanager tells systemd, or whatever has started a service, how it is.
package servicemanager

import (
	"fmt"
	"net"
)

// Notify tells the service manager that started this process how it is, for example
// "READY=1"; socket is its $NOTIFY_SOCKET, "" without one, which is no error (sd_notify(3)).
func Notify(socket, state string) error {
	if socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"}) // "@": an abstract one
	if err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	return nil
}
