package ipmi

import (
	"testing"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

func TestAuxiliaryLog(t *testing.T) {
	store, m := NewMemStore(), fake.New([16]byte{1})
	r, timers := storedRig(t, m, store)
	c := admin(t, r)
	cc, d := c.call(wire.Storage, 0x5a, 0)
	want(t, "before anybody told", cc, d, ccOK, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)
	for _, f := range *timers { // all is written
		f()
	}
	cc, d = c.call(wire.Storage, 0x5b, 0, 1, 2, 3, 4, 5, 6, 7, 8)
	want(t, "set", cc, d, ccOK)
	cc, d = c.call(wire.Storage, 0x5b, 0, 1, 2)
	want(t, "too short", cc, d, ccLength)
	for _, cmd := range []byte{0x5a, 0x5b} {
		cc, d = c.call(wire.Storage, cmd, 1)
		want(t, "a vendor's log", cc, d, ccDataInvalid)
	}
	user := newClient(t, r.BMC, wire.Suite3()).mustLogin(privUser)
	cc, d = user.call(wire.Storage, 0x5b, 0, 1, 2, 3, 4, 5, 6, 7, 8)
	want(t, "as USER", cc, d, ccPrivilege)
	r.Close()
	r, _ = storedRig(t, m, store)
	cc, d = admin(t, r).call(wire.Storage, 0x5a, 0)
	want(t, "after a restart", cc, d, ccOK, 1, 2, 3, 4, 5, 6, 7, 8)
}
