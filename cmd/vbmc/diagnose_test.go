package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"trefoil/vbmc/control"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/manager"
)

// startDaemon runs a daemon in the foreground until the test ends or stop is called.
func startDaemon(t *testing.T, home string) (log *heard, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	log = newHeard()
	go func() {
		done <- run(ctx, []string{"/usr/bin/vbmcd", "--foreground"}, homeEnv(home), io.Discard, log)
	}()
	ended := false
	stop = func() {
		if cancel(); !ended {
			ended = true
			if code := <-done; code != 0 {
				t.Errorf("daemon ended with %d", code)
			}
		}
	}
	t.Cleanup(stop)
	log.await(t, "vbmc daemon is ready")
	return log, stop
}

// TestWithDaemon types commands beside a daemon whose hypervisor is not there.
func TestWithDaemon(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".vbmc", "a")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "[VirtualBMC]\ndomain_name = a\nport = 6999\naddress = 127.0.0.1\nlibvirt_uri = qemu+unix:///system?socket=" + home + "/none\ncolour = 52:54:00:00:00:01\n"
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stop := startDaemon(t, home)
	for _, step := range []struct {
		args string
		code int
		want string // in what is printed
	}{
		{"list -f json --noindent", 0, `[{"Domain name": "a", "Status": "down", "Address": "127.0.0.1", "Port": 6999}]`},
		{"list -f csv --quote all", 0, "\"Domain name\",\"Status\",\"Address\",\"Port\"\n\"a\",\"down\",\"127.0.0.1\",\"6999\"\n"},
		{"list -f csv --quote minimal", 0, "Domain name,Status,Address,Port\na,down,127.0.0.1,6999\n"},
		{"list -f csv --quote some", 2, "invalid choice: 'some'"},
		{"list -f xml", 2, "argument -f/--format: invalid choice: 'xml' (choose from 'csv', 'json', 'table', 'value', 'yaml')"},
		{"show a -f xml", 2, "(choose from 'csv', 'json', 'shell', 'table', 'value', 'yaml')"},
		{"list -c Colour", 1, "No recognized column names in ['Colour']. Recognized columns are ['Domain name', 'Status', 'Address', 'Port']."},
		{"list --sort-ascending --sort-descending", 2, "not allowed with argument"},
		{"list -f yaml -c Port -c Address", 0, "- Address: 127.0.0.1\n  Port: 6999\n"},
		{"show a -c Value --max-width 30", 0, "| qemu+unix:///system?socket |\n"},
		{"show a -f shell --prefix vbmc_ -c port -c address", 0, "vbmc_address=\"127.0.0.1\"\nvbmc_port=\"6999\"\n"},
		{"edit a", 2, "nothing to change"},
		{"edit a --cipher-suites 0", 1, `"0" is not a cipher suite`},
		{"edit a --port 0", 1, "--port 0: expected 1 to 65535"},
		{"edit a --port auto --kg 0x0102 --cipher-suites 17", 0, "a 6"},
		{"show a -f value -c Value", 0, "***"},
		{"show a --long -f csv", 0, "\"kg\",\"***\"\n\"cipher_suites\",\"17\"\n\"console\",\"always\"\n\"boot_mac\",\"\"\n"},
		{"start a", 0, "Started vBMC instance for domain a"},
		{"show a --long -f csv", 0, "\"power\",\"unknown\"\n\"boot_override\",\"none\"\n\"identify\",\"off\"\n\"sessions\",0\n"},
		{"log a", 0, " INFO Started vBMC instance for domain a\n"},
		{"log b", 1, "No domain with matching name b was found"},
		{"doctor a -f value -c Verdict -c Detail", 1, "fault Command failed: Fail to establish a connection with libvirt URI"},
		{"doctor a -f value -c Check -c Verdict", 1, "login, suite 17 ok\n"}, // the BMC answers without its hypervisor
		{"add --all --port 7000", 2, "--all chooses ports itself"},
		{"add --all a", 2, "--all takes no domain_name"},
		{"--version", 0, "vbmc devel"},
		{"complete", 0, "complete -F _vbmc vbmc"},
		{"stop a", 0, ""},
	} {
		code, out, errs := vbmc(t, home, append([]string{"--no-daemon"}, strings.Fields(step.args)...)...)
		if code != step.code || !strings.Contains(out+errs, step.want) {
			t.Errorf("vbmc %s: code %d, want %d and %q\n%s%s", step.args, code, step.code, step.want, out, errs)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "config"))
	if err != nil || !strings.Contains(string(got), "colour = 52:54:00:00:00:01\n") || strings.Contains(string(got), "port = 6999") {
		t.Errorf("file after edit: %s %v", got, err)
	}
	stop()
}

// TestSecretsFromFiles: they reach the configuration, and nothing that is printed.
func TestSecretsFromFiles(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".vbmc", "a")
	kg, password := filepath.Join(home, "kg"), filepath.Join(home, "password")
	for name, text := range map[string]string{
		filepath.Join(dir, "config"): "[VirtualBMC]\nport = 6998\naddress = 127.0.0.1\nlibvirt_uri = qemu+unix:///system?socket=" + home + "/none\n",
		kg:                           "Kg-from-a-file\r\nsecond line\n", password: "pw-from-a-file\n",
	} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	startDaemon(t, home)
	var all strings.Builder
	for args, want := range map[string]int{
		"edit a --kg-file " + kg + " --password-file " + password + " --port auto":                          0,
		"edit a --kg x --kg-file " + kg:                                                                     2,
		"add b --password x --password-file " + password:                                                    2,
		"add b --port auto --kg-file " + kg + " --libvirt-uri qemu+unix:///system?socket=" + home + "/none": 1, // no libvirt here
		"edit a --kg-file " + home + "/missing":                                                             1,
	} {
		code, out, errs := vbmc(t, home, append([]string{"--no-daemon"}, strings.Fields(args)...)...)
		if all.WriteString(out + errs); code != want {
			t.Errorf("%s: code %d, want %d: %s", args, code, want, errs)
		}
	}
	if c := read(t, filepath.Join(dir, "config")); !strings.Contains(c, "kg = Kg-from-a-file\n") || !strings.Contains(c, "password = pw-from-a-file\n") {
		t.Errorf("configuration: %s", c)
	}
	for _, args := range []string{"start a", "list -f json", "show a --long", "show a --long -f json", "doctor a -f csv", "log a", "stop a"} {
		_, out, errs := vbmc(t, home, append([]string{"--no-daemon"}, strings.Fields(args)...)...)
		all.WriteString(out + errs)
	}
	if said := all.String(); strings.Contains(said, "from-a-file") || !strings.Contains(said, "| kg                    | ***") {
		t.Errorf("a secret is shown, or the key is not masked: %s", said)
	}
}

// TestLogFollows: what is kept comes first, then every line as it is written.
func TestLogFollows(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".vbmc", "a")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("[VirtualBMC]\nport = 99999\nactive = True\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon, stop := startDaemon(t, home)
	ready, all := make(chan struct{}), make(chan string, 1)
	go func() {
		req := control.Request{Command: "log", Domains: []string{"a"}, Args: map[string]string{"follow": "yes"}}
		_, err := control.Stream(context.Background(), filepath.Join(home, ".vbmc", "vbmcd.sock"), req, func(r *control.Reply, more io.Reader) {
			close(ready)
			text, _ := io.ReadAll(more) // ends with the daemon
			all <- strings.Join(r.Lines, "\n") + "\n" + string(text)
		})
		if err != nil {
			t.Error(err)
			close(ready)
			all <- ""
		}
	}()
	<-ready
	daemon.await(t, "cannot run as configured")
	if _, out, _ := vbmc(t, home, "--no-daemon", "list"); !strings.Contains(out, "error") {
		t.Errorf("list: %s", out)
	}
	if code, _, errs := vbmc(t, home, "--no-daemon", "edit", "a", "--port", "auto", "--address", "127.0.0.1"); code != 0 {
		t.Errorf("edit: %d %s", code, errs)
	}
	stop()
	text := <-all
	if !strings.Contains(text, `/a/config:2: port = 99999: expected 1 to 65535 (change that line, or: vbmc edit 'a' --port VALUE)"`) || !strings.Contains(text, "Started vBMC instance for domain a\n") {
		t.Errorf("followed: %q", text)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(newCollector(func() []manager.BMCStats {
		return []manager.BMCStats{{Domain: "a", Running: true, Stats: ipmi.Stats{Sessions: 2, Refused: 7, SOL: true}}, {Domain: "b"}}
	}))
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			got[f.GetName()+" "+m.Label[0].GetValue()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, want := range map[string]float64{"vbmc_up a": 1, "vbmc_up b": 0, "vbmc_sessions a": 2, "vbmc_logins_refused_total a": 7, "vbmc_sol_active a": 1} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v, want %v", name, v, want)
		}
	}
	if len(got) != 10 {
		t.Errorf("%d series, want 9 of a running BMC and 1 of one that does not run", len(got))
	}
}

// TestMetricsOverHTTP asks a daemon as Prometheus does, at the address of its configuration.
func TestMetricsOverHTTP(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, ".vbmc", "a")
	for name, text := range map[string]string{
		filepath.Join(dir, "config"):                        "[VirtualBMC]\nport = 99999\nactive = True\n",
		filepath.Join(filepath.Dir(dir), "virtualbmc.conf"): "[metrics]\nlisten = 127.0.0.1:0\n",
	} {
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	log, stop := startDaemon(t, home)
	log.await(t, "cannot run as configured")
	said, _ := log.now()
	at := regexp.MustCompile(`address=(http://127\.0\.0\.1:\d+)/metrics`).FindStringSubmatch(said)
	if at == nil {
		t.Fatalf("the daemon does not say where its metrics are: %s", said)
	}
	for path, want := range map[string]string{
		"/metrics": "\n# TYPE vbmc_up gauge\nvbmc_up{domain=\"a\"} 0\n", "/": "404 page not found\n",
	} {
		if got := get(t, at[1]+path); !strings.Contains("\n"+got, want) {
			t.Errorf("%s has %q, want %q", path, got, want)
		}
	}
	stop()
	if r, err := http.Get(at[1] + "/metrics"); err == nil {
		r.Body.Close()
		t.Error("the metrics are there without the daemon")
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
