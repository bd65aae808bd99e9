package conductor_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"trefoil/ironic/conductor"
	"trefoil/undercloud/payloads"
)

// shelf keeps payloads in memory.
type shelf struct {
	mu   sync.Mutex
	kept map[string]string // nil: the disk is full
}

func (s *shelf) Keep(name string, data []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		return "", errors.New("disk full")
	}
	s.kept[name] = string(data)
	return "/kept/" + name, nil
}

func TestWhatRamdisksSendIsKept(t *testing.T) {
	s := &shelf{kept: map[string]string{}}
	w := newWorld(t, func(c *conductor.Config) { c.Payloads = s })
	n := w.node("manageable")
	for range 2 {
		if _, err := w.c.ContinueInspection(t.Context(), []byte(stranger())); err == nil {
			t.Error("an unknown machine was taken")
		}
	}
	if len(s.kept) != 1 || s.kept[payloads.Strangers+"52-54-00-00-99-01.json"] != stranger() {
		t.Errorf("%v", s.kept)
	}
	w.provision("inspect")
	w.await("manageable")
	s.mu.Lock()
	logs := ""
	for name, data := range s.kept {
		if strings.HasPrefix(name, "logs-"+n.UUID+"-") && strings.HasSuffix(name, ".tar.gz") {
			logs = data
		}
	}
	if logs != "\x00\x00\x00" || !strings.Contains(w.history(), "the ramdisk's logs are in /kept/logs-") {
		t.Errorf("%q\n%s", logs, w.history())
	}
	s.kept = nil // what cannot be kept fails nothing
	s.mu.Unlock()
	w.provision("inspect")
	w.await("manageable")
}
