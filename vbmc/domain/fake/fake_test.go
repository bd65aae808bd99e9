package fake

import (
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/domaintest"
)

func TestContract(t *testing.T) {
	domaintest.Run(t, func(t *testing.T) domaintest.Subject {
		m := New([16]byte{1, 2, 3})
		m.Remove(domain.Floppy)
		return domaintest.Subject{
			Machine: m,
			LastBoot: func(*testing.T) domain.Device {
				s := m.Starts()
				return s[len(s)-1]
			},
			GuestReboot:  func(*testing.T) { m.Reboot() },
			StartByOther: func(*testing.T) { m.StartByOther() },
		}
	})
}
