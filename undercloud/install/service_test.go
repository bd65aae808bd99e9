package install

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trefoil/undercloud/config"
	"trefoil/undercloud/secret"
	"trefoil/undercloud/server"
)

// machine is a root directory with systemd running and the two network namespaces.
func machine(t *testing.T, same bool) string {
	t.Helper()
	root := t.TempDir()
	for _, d := range []string{"run/systemd/system", "proc/self/ns", "proc/1/ns"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	host, ours := filepath.Join(root, "proc/1/ns/net"), filepath.Join(root, "proc/self/ns/net")
	err := os.WriteFile(host, nil, 0o600)
	if err == nil && same {
		err = os.Link(host, ours)
	} else if err == nil {
		err = os.WriteFile(ours, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestALabsServiceIsNotGivenToTheHostsSystemd: systemd would start it in the host's
// network, where it would take the host's own interface.
func TestALabsServiceIsNotGivenToTheHostsSystemd(t *testing.T) {
	if !systemdAt(machine(t, true)) {
		t.Error("systemd of this very network is not seen")
	}
	if systemdAt(machine(t, false)) {
		t.Error("systemd of another network namespace would run the service")
	}
	if systemdAt(t.TempDir()) {
		t.Error("systemd is seen where there is none")
	}
	if (&Options{ConfigRoot: t.TempDir()}).usesUnit() {
		t.Error("a unit would be written below another root, where systemd does not look")
	}
}

// TestTheUnitIsRestartedWhenItRunsWithSomethingElse also when nobody remembers a change.
func TestTheUnitIsRestartedWhenItRunsWithSomethingElse(t *testing.T) {
	p := process(t, "")
	p.Config = filepath.Join(filepath.Dir(p.PIDFile), "undercloud.json")
	touch(t, p.Config)
	var asked []string
	u := &unitService{process: p, systemctl: func(_ context.Context, args ...string) error {
		asked = append(asked, strings.Join(args, " "))
		return nil
	}}
	ensure := func(why string, changed bool, want string) {
		t.Helper()
		asked = nil
		if err := u.ensure(t.Context(), changed); err != nil || !slices.Equal(asked, []string{want}) {
			t.Errorf("%s: %v, %v, want %s", why, asked, err, want)
		}
	}
	ensure("not running", false, "restart undercloud.service")
	if err := p.Announce(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	ensure("nothing changed", false, "start undercloud.service")
	ensure("this run changed it", true, "restart undercloud.service")
	if err := secret.WriteFile(p.Config, []byte("{ }"), 0o600); err != nil {
		t.Fatal(err)
	}
	ensure("an earlier run changed it", false, "restart undercloud.service")
}

// TestSystemdStopsAndStartsItsOwnService: a signal alone would leave systemd's view wrong.
func TestSystemdStopsAndStartsItsOwnService(t *testing.T) {
	var asked []string
	u := &unitService{process: process(t, ""), systemctl: func(_ context.Context, args ...string) error {
		asked = append(asked, args[0])
		return nil
	}}
	if _, err := u.Start(t.Context()); err != nil {
		t.Error(err)
	}
	if err := u.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if !slices.Equal(asked, []string{"start", "stop"}) {
		t.Errorf("asked systemd to %v", asked)
	}
}

// TestAnotherUndercloudsUnitIsNotOurs: a lab's undercloud has another state directory.
func TestAnotherUndercloudsUnitIsNotOurs(t *testing.T) {
	o := options(t, good)
	if o.hasUnit() {
		t.Error("a unit that is not there")
	}
	path := o.etc("systemd", "system", unitName)
	touch(t, path)
	for stateDir, ours := range map[string]bool{o.StateDir: true, DefaultStateDir: false} {
		if err := os.WriteFile(path, []byte(unit("/usr/bin/undercloud", stateDir)), 0o600); err != nil {
			t.Fatal(err)
		}
		if o.hasUnit() != ours {
			t.Errorf("the unit of %s is ours: %v", stateDir, !ours)
		}
	}
	if _, ok := NewService("/usr/bin/undercloud", o.StateDir, o.ConfigRoot, nil).(*Process); !ok {
		t.Error("below another root the service is not a background process")
	}
}

// All ports together have half of the files that the process may open.
func TestTheUnitsFilesAreEnoughForAllConnections(t *testing.T) {
	ports := len(config.DefaultPorts()) + len(config.DefaultTLSPorts())
	_, text, _ := strings.Cut(unit("/usr/bin/undercloud", DefaultStateDir), "LimitNOFILE=")
	text, _, _ = strings.Cut(text, "\n")
	if files, err := strconv.Atoi(text); err != nil || files < 2*ports*server.New(nil).Limits.Connections {
		t.Errorf("LimitNOFILE=%s for %d ports: %v", text, ports, err)
	}
}
