package ceph

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trefoil/overcloud/resource"
)

const fsid = "00000000-0000-4000-8000-000000000001"

// machine is a node below a directory, whose programs are a function.
type machine struct {
	*Node
	t   *testing.T
	ran []string
	in  []string
	run func(c Command) (string, error) // nil answers nothing
	mu  sync.Mutex
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t}
	m.Node = &Node{Root: t.TempDir(),
		Owner: func(string, string) (int, int, error) { return -1, -1, nil },
		Write: func(path string, content []byte, mode os.FileMode, _, _ int) error {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			return os.WriteFile(path, content, mode)
		},
		Run: func(_ context.Context, c Command) (string, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			name := c.Args[0]
			if name == "python3" {
				name = "talk " + c.Args[4]
			} else {
				name = strings.Join(c.Args, " ")
			}
			m.ran, m.in = append(m.ran, name), append(m.in, c.Stdin)
			if m.run == nil {
				return "", nil
			}
			return m.run(c)
		}}
	return m
}

func (m *machine) put(path, content string) {
	m.t.Helper()
	if err := m.Write(m.path(path), []byte(content), 0o600, -1, -1); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) read(path string) string {
	m.t.Helper()
	b, err := os.ReadFile(m.path(path))
	if err != nil {
		m.t.Error(err)
	}
	return string(b)
}

func mon() *resource.CephMon {
	return &resource.CephMon{ID: "a", FSID: fsid, Members: "a,b", Addresses: "192.0.2.1,2001:db8::2", Keyrings: "/keys"}
}

func TestMonitorIsMadeOnce(t *testing.T) {
	m := newMachine(t)
	m.put("/keys/mon.keyring", "[mon.]\nkey = MON")
	m.put("/keys/client.keyring", "[client.x]\nkey = X")
	var seen string
	m.run = func(c Command) (string, error) {
		if c.User != User {
			t.Errorf("%v runs as %q", c.Args, c.User)
		}
		if c.Args[0] == "ceph-mon" {
			seen = m.read(tmpDir + "/keyring")
		}
		return "", nil
	}
	if made, err := m.MonMade(mon()); made || err != nil {
		t.Fatal(made, err)
	}
	if err := m.MakeMon(t.Context(), mon()); err != nil {
		t.Fatal(err)
	}
	want := "monmaptool --create --clobber --fsid " + fsid + " --addv a [v2:192.0.2.1:3300,v1:192.0.2.1:6789] --addv b [v2:[2001:db8::2]:3300,v1:[2001:db8::2]:6789] " + tmpDir + "/monmap"
	if m.ran[0] != want {
		t.Errorf("ran %s\nexpected %s", m.ran[0], want)
	}
	if seen != "[client.x]\nkey = X\n[mon.]\nkey = MON\n" {
		t.Errorf("the first keyring is %q", seen)
	}
	if m.exists(tmpDir) {
		t.Error("the keyring stays behind")
	}
	if made, err := m.MonMade(mon()); !made || err != nil {
		t.Error(made, err)
	}
	other := mon()
	other.FSID = "00000000-0000-4000-8000-000000000009"
	if _, err := m.MonMade(other); err == nil || !strings.Contains(err.Error(), "another cluster") {
		t.Errorf("error %v", err)
	}
}

func TestMonitorThatWasCutShortIsMadeAnewAndAForeignOneIsKept(t *testing.T) {
	m := newMachine(t)
	m.put("/keys/mon.keyring", "[mon.]\nkey = MON")
	m.run = func(c Command) (string, error) {
		if c.Args[0] == "ceph-mon" {
			m.put(monDir+"/ceph-a/store.db/half", "")
			return "", errors.New("killed")
		}
		return "", nil
	}
	if err := m.MakeMon(t.Context(), mon()); err == nil {
		t.Fatal("no error")
	}
	m.run = nil
	if err := m.MakeMon(t.Context(), mon()); err != nil || m.exists(monDir+"/ceph-a/store.db/half") {
		t.Errorf("error %v; what was half made is kept", err)
	}
	n := newMachine(t)
	n.put("/keys/mon.keyring", "[mon.]\nkey = MON")
	n.put(monDir+"/ceph-a/store.db/x", "data")
	if err := n.MakeMon(t.Context(), mon()); err == nil || !n.exists(monDir+"/ceph-a/store.db/x") {
		t.Errorf("error %v; expected a refusal, and the data kept", err)
	}
}

// answers is what the conversation prints.
func answers(t *testing.T, out ...any) string {
	t.Helper()
	var b strings.Builder
	for _, o := range out {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(map[string]any{"code": 0, "output": string(text), "status": ""})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func TestConversationErrorsNameTheCommand(t *testing.T) {
	qs := []question{ask("osd dump"), ask("osd pool create", "pool", "x")}
	for _, tc := range []struct{ out, want string }{
		{`{"code":0,"output":"{}","status":""}` + "\n" + `{"code":-34,"output":"","status":"too many PGs"}`, `refuse "osd pool create x": too many PGs (code -34)`},
		{`{"code":0,"output":"{}","status":""}`, "answered 1 of 2"},
		{"nonsense", `"osd dump"`},
		{"", `"osd dump"`},
	} {
		if _, err := parseAnswers(tc.out, qs); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: error %v; expected %q", tc.out, err, tc.want)
		}
	}
}

func TestKeyringIsReadAndItsKeysAreNotQuoted(t *testing.T) {
	got, err := parseKeyring("# c\n[client.x]\n\tkey = AQ==\n\tcaps mon = \"profile rbd\"\n\tcaps osd = \"profile rbd pool=a, profile rbd pool=b\"\n[mon.]\nkey = B\n")
	if err != nil || len(got) != 2 || got[0].Key != "AQ==" || got[0].Caps["osd"] != "profile rbd pool=a, profile rbd pool=b" || got[1].Name != "mon." {
		t.Errorf("%+v, error %v", got, err)
	}
	for _, bad := range []string{"key = SECRET\n", "[a]\nSECRET\n"} {
		if _, err := parseKeyring(bad); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

func FuzzKeyring(f *testing.F) {
	f.Add("[a]\nkey = b\ncaps mon = \"allow *\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseKeyring(text)
		if err == nil {
			for _, e := range list {
				_ = e.section()
			}
		}
	})
}

func FuzzLabelAndAnswers(f *testing.F) {
	f.Add(`{"/dev/vdb": {"osd_uuid": "u", "whoami": "0"}}`)
	f.Add(`{"code":0,"output":"{}","status":""}`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = parseLabel(text, "/dev/vdb")
		_, _ = parseAnswers(text, []question{ask("status")})
	})
}
