package ipmi

import (
	"testing"

	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/wire"
)

func TestSystemInfo(t *testing.T) {
	store := NewMemStore()
	made := func() *client {
		b, err := New(Config{Machine: fake.New([16]byte{1}), Username: "admin", Password: "secret", Store: store, Name: "node-with-17-char"})
		if err != nil {
			t.Fatal(err)
		}
		return local(t, b)
	}
	rows := func(c *client, rows []userRow) {
		t.Helper()
		for i, r := range rows {
			if r.cmd == 0x59 && r.cc == ccOK {
				rows[i].want = append([]byte{infoRevision}, r.want...)
			}
		}
		checkUsers(t, c, rows)
	}
	c := made()
	rows(c, []userRow{
		{"revision only", 0x59, []byte{0x80, 2, 0, 0}, ccOK, nil},
		{"the machine's name", 0x59, []byte{0, 2, 0, 0}, ccOK, append([]byte{0, 0, 17}, "node-with-17-c"...)},
		{"its rest", 0x59, []byte{0, 2, 1, 0}, ccOK, field(16, "har", 1)},
		{"no more", 0x59, []byte{0, 2, 2, 0}, ccInfoNoBlock, nil},
		{"no firmware", 0x59, []byte{0, 1, 0, 0}, ccOK, zeros(17)},
		{"unknown", 0x59, []byte{0, 5, 0, 0}, ccInfoUnknown, nil},
		{"begin", 0x58, []byte{0, 1}, ccOK, nil},
		{"begun", 0x59, []byte{0, 0, 0, 0}, ccOK, []byte{1}},
		{"begin again", 0x58, []byte{0, 1}, 0x81, nil},
		{"end", 0x58, []byte{0, 0}, ccOK, nil},
		{"operating system", 0x58, field(14, "Linux", 3, 0, 0, 5), ccOK, nil},
		{"running one", 0x58, field(14, "rescue", 4, 0, 0, 6), ccOK, nil},
		{"second block", 0x58, []byte{2, 1, 'x'}, ccOK, nil},
		{"last block", 0x58, []byte{1, 15, 'y'}, ccOK, nil},
		{"beyond", 0x58, []byte{1, 16, 'z'}, ccInfoNoBlock, nil},
		{"nothing", 0x58, []byte{2, 0}, ccLength, nil},
		{"unknown", 0x58, []byte{9, 0, 0}, ccInfoUnknown, nil},
		{"running one reads", 0x59, []byte{0, 4, 0, 0}, ccOK, field(14, "rescue", 0, 0, 6)},
	})
	rows(made(), []userRow{ // after a restart
		{"operating system stays", 0x59, []byte{0, 3, 0, 0}, ccOK, field(14, "Linux", 0, 0, 5)},
		{"running one goes", 0x59, []byte{0, 4, 0, 0}, ccOK, zeros(17)},
		{"second block stays", 0x59, []byte{0, 2, 1, 0}, ccOK, field(16, "x", 1)},
		{"last block stays", 0x59, []byte{0, 1, 15, 0}, ccOK, field(16, "y", 15)},
	})
	if got := infoText("knöterich"); got[0] != 1 || got[1] != 10 {
		t.Errorf("UTF-8 name: % x", got)
	}
	cc, _ := newClient(t, newRig(t).BMC, wire.Suite17()).mustLogin(privOperator).call(wire.App, 0x58, 0, 0)
	want(t, "write as USER", cc, nil, ccPrivilege)
}
