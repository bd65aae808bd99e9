//go:build e2e

package image

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"time"

	"trefoil/overcloud/resource"
)

// apply runs one document and returns how many resources changed.
func (m *vm) apply(d resource.Document) int {
	m.t.Helper()
	s, err := m.client.NewSession()
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	b, err := json.Marshal(d)
	if err != nil {
		m.t.Fatal(err)
	}
	s.Stdin = strings.NewReader(string(b))
	out, err := s.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	began := time.Now()
	if err := s.Start("sudo /usr/local/bin/os-apply-config apply"); err != nil {
		m.t.Fatal(err)
	}
	changed := -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e resource.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			m.t.Errorf("not an event: %s", lines.Text())
		}
		if e.Event == "done" {
			changed = e.Changed
		}
		if e.Event != "unchanged" && e.Event != "start" && e.Event != "waiting" {
			m.t.Logf("  %6d ms %-9s %s %s %s %s", e.MS, e.Event, e.Key, e.Error, e.Hint, strings.Join(e.Tail, "\n      "))
		}
		for _, secret := range m.secrets {
			if strings.Contains(lines.Text(), secret) {
				m.t.Errorf("a secret in an event: %s", lines.Text())
			}
		}
	}
	if err := s.Wait(); err != nil {
		m.t.Fatalf("step %d: %v\n%s", d.Step, err, m.run("sudo journalctl -b -p warning --no-pager | tail -20"))
	}
	m.t.Logf("step %d: %.1f s, %d changed", d.Step, time.Since(began).Seconds(), changed)
	return changed
}

func (m *vm) upload(from, to string) {
	m.t.Helper()
	f, err := os.Open(from)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	s, err := m.client.NewSession()
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	s.Stdin = f
	if out, err := s.CombinedOutput("sudo sh -c 'cat > " + to + ".new && chmod 755 " + to + ".new && mv " + to + ".new " + to + "'"); err != nil {
		m.t.Fatalf("upload: %v %s", err, out)
	}
}
