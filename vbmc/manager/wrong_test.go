package manager

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

// TestWrongLinesAreNamed: file, line, key, what was expected, what to do.
func TestWrongLinesAreNamed(t *testing.T) {
	for text, want := range map[string][2]string{
		"port = x":                     {`/a/config:4: [VirtualBMC] port = "x": expected a number from 1 to 65535`, "change that line"},
		"":                             {`/a/config: [VirtualBMC] has no port: expected a number from 1 to 65535`, "add a line: port = VALUE"},
		"port = 623\nactive = maybe":   {`/a/config:5: [VirtualBMC] active = "maybe": expected True or False`, "change that line"},
		"active=true\nport = 99999":    {"/a/config:5: port = 99999: expected 1 to 65535", "vbmc edit 'a' --port VALUE"},
		"port=623\n\naddress: nowhere": {`/a/config:6: address = "nowhere": expected an IPv4 or IPv6 address`, "vbmc edit 'a' --address VALUE"},
		"port=623\nkg = 0xsecret":      {"/a/config:5: kg: after 0x come hexadecimal digits", "vbmc edit 'a' --kg VALUE"},
		"port=623\ncipher_suites = 0":  {`/a/config:5: cipher_suites: "0" is not a cipher suite`, "for example 17,3"},
	} {
		m, _ := newManager(t)
		if err := os.Mkdir(m.store.dir("a"), 0o700); err != nil {
			t.Fatal(err)
		}
		first := "active = True\n"
		if strings.Contains(text, "active") { // it must not stand there twice
			first = "domain_name = a\n"
		}
		text = "# by hand\n[VirtualBMC]\n" + first + text + "\n"
		if err := os.WriteFile(m.store.file("a"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m.Sync()
		all, err := m.List()
		if err != nil || len(all) != 1 || all[0].Status != StatusError {
			t.Fatalf("%q: %+v %v", text, all, err)
		}
		reason := all[0].Reason
		if !strings.Contains(reason, m.settings.ConfigDir+want[0]) || !strings.Contains(reason, want[1]) || strings.Contains(reason, "secret") {
			t.Errorf("%q: %s, want %q and %q", text, reason, want[0], want[1])
		}
	}
}

func TestWrongLinesOfTheDaemonsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "virtualbmc.conf")
	for text, want := range map[string]string{
		"[default]\nserver_spawn_wait = soon":   `:2: [default] server_spawn_wait = "soon": expected milliseconds, at least 100`,
		"[default]\n\nshow_passwords = perhaps": `:3: [default] show_passwords = "perhaps": expected True or False`,
		"[log]\ndebug = 2":                      `:2: [log] debug = "2": expected True or False`,
		"[metrics]\nlisten = 9290":              `:2: [metrics] listen = "9290": expected ADDRESS:PORT`,
		"debug":                                 ":1: expected KEY = VALUE",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadSettings(func(k string) string { return map[string]string{"HOME": "/", "VIRTUALBMC_CONFIG": file}[k] })
		if err == nil || !strings.HasPrefix(err.Error(), file+want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if errs.Is(err, errs.Invalid) && errs.HintOf(err) == "" {
			t.Errorf("%q: no hint", text)
		}
	}
}
