package servicemanager

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestNotify(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Notify(socket, "READY=1"); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 100)
	if n, err := l.Read(said); err != nil || string(said[:n]) != "READY=1" {
		t.Errorf("%q %v", said[:n], err)
	}
	if err := Notify("", "READY=1"); err != nil {
		t.Errorf("without a service manager: %v", err)
	}
	if err := Notify(filepath.Join(t.TempDir(), "none"), "READY=1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one that is gone: %v", err)
	}
}
