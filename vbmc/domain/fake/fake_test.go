package fake

import (
	"testing"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/domaintest"
)

func TestContract(t *testing.T) {
	lively := func(t *testing.T) domaintest.Lively {
		m := New([16]byte{1, 2, 3})
		m.Remove(domain.Floppy)
		latest := func(*testing.T) domain.Device {
			s := m.Starts()
			return s[len(s)-1]
		}
		return domaintest.Lively{Subject: domaintest.Subject{Machine: m, LastBoot: latest},
			GuestReboot: func(*testing.T) { m.Reboot() }, StartByOther: func(*testing.T) { m.StartByOther() }}
	}
	domaintest.Run(t, func(t *testing.T) domaintest.Subject { return lively(t).Subject })
	domaintest.RunLively(t, lively)
}
