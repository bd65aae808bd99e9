package main

import (
	"fmt"
	"net"
)

// notify tells the service manager that started the daemon how it is, for example
// "READY=1"; socket is its $NOTIFY_SOCKET, "" without one (sd_notify(3)).
func notify(socket, state string) error {
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
