package ipmi

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// TestAWrongPasswordAtTheClientIsTold: ipmitool says nothing more when RAKP 2 is not as its
// password would have it. A flood of such logins is one line a minute; who only opened is none.
func TestAWrongPasswordAtTheClientIsTold(t *testing.T) {
	r := newRig(t)
	var log bytes.Buffer
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	leave := func() {
		c := newClient(t, r.BMC, wire.Suite17())
		if st := c.open(); st != wire.StatusOK {
			t.Fatalf("open: %#x", st)
		}
		if r := c.setup(wire.PayloadRAKP1, c.rakp1Payload(privAdmin, "admin")); wire.Status(r[1]) != wire.StatusOK {
			t.Fatalf("RAKP 1: %#x", r[1])
		}
	}
	noticed := func() string {
		log.Reset()
		r.now = r.now.Add(setupTime + time.Second)
		r.Stats()
		return log.String()
	}
	newClient(t, r.BMC, wire.Suite17()).open()
	if said := noticed(); said != "" {
		t.Errorf("an open request alone: %s", said)
	}
	leave()
	if said := noticed(); !strings.Contains(said, "login not completed") || !strings.Contains(said, "user=admin times=1") {
		t.Errorf("one: %s", said)
	}
	for range 2 * maxHalfOpenPerSource {
		leave()
	}
	if said := noticed(); said != "" {
		t.Errorf("within the minute: %s", said)
	}
	r.now = r.now.Add(refusalPause)
	leave()
	if said := noticed(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "times=17") {
		t.Errorf("all: %s", said)
	}
}

// placed is a store that people can look into; it has users only.
type placed struct {
	Store
	users string
}

func (p placed) Load(name string) ([]byte, error) {
	if name != "users" {
		return p.Store.Load(name)
	}
	return []byte(p.users), nil
}

func (placed) Place(name string) string { return "/where/" + name + ".json" }

// A file without a byte is damaged too.
func TestDamagedMemoryIsToldByItsFile(t *testing.T) {
	for _, text := range []string{"", "{broken"} {
		s := placed{NewMemStore(), text}
		var log bytes.Buffer
		if _, err := New(Config{Machine: newRig(t).m, Username: "admin", Password: "secret", Store: s, Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "file=/where/users.json") {
			t.Errorf("%q: %s", text, log.String())
		}
	}
}
