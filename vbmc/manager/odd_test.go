package manager

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

// byHand writes a configuration as an editor does.
func byHand(t *testing.T, m *Manager, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(m.store.dir(name), 0o700), os.WriteFile(m.store.file(name), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// logged keeps what a manager logs.
func logged(m *Manager) *bytes.Buffer {
	var log bytes.Buffer
	m.log = slog.New(slog.NewTextHandler(&log, nil))
	return &log
}

func details(all []Finding, domain, check string, v Verdict) (text string) {
	for _, f := range all {
		if f.Domain == domain && f.Check == check && f.Verdict == v {
			text += f.Detail + " (" + f.Hint + ")\n"
		}
	}
	return text
}

// TestAMistypedKeyIsTold: once in the log, and by doctor, with line and the key that is near,
// and without its value. The BMC runs, as it does with virtualbmc.
func TestAMistypedKeyIsTold(t *testing.T) {
	m, _ := newManager(t)
	log := logged(m)
	byHand(t, m, "a", "[VirtualBMC]\nactive = True\npasword = s3cretXYZ\nadress = 127.0.0.1\naddress = 127.0.0.1\ncolour_of_the_rack = red\nport = "+strconv.Itoa(freePort(t))+"\n")
	m.Sync()
	m.Sync()
	all, err := m.Doctor(t.Context(), []string{"a"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	said, found := log.String(), details(all, "a", "configuration", Warning)
	for _, want := range []string{`/a/config:3: [VirtualBMC] pasword is unknown and passed over (did you mean "password"?)`,
		`/a/config:4: [VirtualBMC] adress is unknown and passed over (did you mean "address"?)`,
		"/a/config: [VirtualBMC] has no password: the default one logs in (vbmc edit 'a' --password-file FILE)"} {
		if n := strings.Count(strings.ReplaceAll(said, `\"`, `"`), want); n != 1 {
			t.Errorf("told %d times: %s, in %s", n, want, said)
		}
		if !strings.Contains(found, want) {
			t.Errorf("doctor: no %s in %s", want, found)
		}
	}
	if strings.Contains(said+found, "s3cret") || strings.Contains(said+found, "colour") {
		t.Errorf("%s%s", said, found)
	}
	if details(all, "a", "configuration", Good) != "" || status(t, m, "a") != StatusRunning {
		t.Errorf("%+v", all)
	}
}

func TestConfigKeysAreAll(t *testing.T) {
	for _, key := range configKeys() {
		if (&Config{}).text(key) == nil && key != "port" && key != "active" {
			t.Errorf("%s is none", key)
		}
	}
}

// TestWhatStandsTwiceIsRefused as ConfigParser does, with its line; others are served.
func TestWhatStandsTwiceIsRefused(t *testing.T) {
	m, _ := newManager(t)
	running(t, m, "b")
	port := strconv.Itoa(freePort(t))
	for text, want := range map[string]string{
		"[VirtualBMC]\nport = " + port + "\nPort = 1\n":               "/a/config:3: option 'port' already exists (line 2)",
		"[VirtualBMC]\nport = " + port + "\n[x]\n[VirtualBMC]\nk=v\n": "/a/config:4: section 'VirtualBMC' already exists (line 1)",
	} {
		byHand(t, m, "a", text)
		m.Sync()
		if _, err := m.Show("a"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if s := status(t, m, "b"); s != StatusRunning {
			t.Errorf("b is %s", s)
		}
	}
	if _, err := parseINI("f", "[DEFAULT]\na=1\n[DEFAULT]\nb=2\n"); err != nil {
		t.Errorf("ConfigParser takes it: %v", err)
	}
}

func settingsOf(t *testing.T, text string) (Settings, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "virtualbmc.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadSettings(func(k string) string { return map[string]string{"VIRTUALBMC_CONFIG": file, "HOME": "/h"}[k] })
}

func TestOddSettings(t *testing.T) {
	s, err := settingsOf(t, "[defualt]\nx=1\n[default]\nshow_pasword = true\nserver_port = 99999\nserver_response_timeout = 7000\n[ipmi]\nsession_timeout = 1\n[mine]\n")
	if err != nil || s.Patience.Seconds() != 7 || len(s.Odd) != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	for i, want := range []string{`virtualbmc.conf:1: section [defualt] is unknown and passed over (did you mean [default]?)`,
		`virtualbmc.conf:4: [default] show_pasword is unknown and passed over (did you mean "show_passwords"?)`,
		`virtualbmc.conf:5: [default] server_port = "99999": expected 1 to 65535`} {
		if got := explain(s.Odd[i]); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	m, _ := newManager(t)
	m.settings.Odd = s.Odd
	if all, err := m.Doctor(t.Context(), nil, nil); err != nil || !strings.Contains(details(all, "", "settings", Warning), "show_pasword") ||
		!strings.Contains(details(all, "", "libvirt", Good), "no vBMC yet") {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := settingsOf(t, "[default]\nserver_response_timeout = abc\n"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "virtualbmc.conf:2: ") {
		t.Errorf("%v", err)
	}
}

// TestACopiedDirectory has its origin's domain_name: list and doctor tell what commands call
// it, and which two know nothing of one another; the log does so once.
func TestACopiedDirectory(t *testing.T) {
	m, _ := newManager(t)
	c := running(t, m, "a")
	log := logged(m)
	byHand(t, m, "b", strings.Replace(mustRead(t, m.store.file("a")), strconv.Itoa(c.Port), strconv.Itoa(freePort(t)), 1))
	m.Sync()
	m.Sync()
	all, err := m.List()
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	misnamed, both := `/b/config:2: domain_name = "a" stands in directory "b"`, "the vBMCs b and a are both of domain a"
	if all[0].Directory != "" || len(all[0].Odd) != 1 || all[1].Directory != "b" || len(all[1].Odd) != 2 ||
		!strings.Contains(all[1].Odd[0], misnamed) || !strings.Contains(all[1].Odd[1], both) {
		t.Errorf("%+v", all)
	}
	found, err := m.Doctor(t.Context(), []string{"b"}, nil)
	if err != nil || !strings.Contains(details(found, "b", "configuration", Warning), misnamed) || !strings.Contains(details(found, "b", "domain", Warning), both) {
		t.Errorf("%+v, %v", found, err)
	}
	said := strings.ReplaceAll(log.String(), `\"`, `"`)
	if strings.Count(said, misnamed) != 1 || strings.Count(said, both) != 1 {
		t.Errorf("%s", said)
	}
	if changed, err := m.Stop("b"); err != nil || !changed {
		t.Errorf("stop b: %v, %v", changed, err)
	}
}

// TestDamagedMemory: doctor names the file.
func TestDamagedMemory(t *testing.T) {
	m, _ := newManager(t)
	running(t, m, "a")
	s := m.store.bmc("a")
	if err := errors.Join(s.Save("users", nil), s.Save("lan", []byte("{}"))); err != nil {
		t.Fatal(err)
	}
	all, err := m.Doctor(t.Context(), []string{"a"}, nil)
	if got := details(all, "a", "memory", Warning); err != nil || strings.Count(got, "\n") != 1 || !strings.Contains(got, "/a/bmc/users.json is damaged") {
		t.Errorf("%s, %v", got, err)
	}
}
