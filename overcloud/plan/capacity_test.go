package plan_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
)

// apis are the units with uwsgi and what their start scripts, Debian's /etc/init.d, call themselves.
var apis = map[string]string{"keystone": "keystone", "placement-api": "placement-api", "nova-api": "nova-api",
	"nova-api-metadata": "nova-api-metadata", "neutron-api": "neutron-server", "cinder-api": "cinder-api"}

// firstController is what the first controller is asked, by key: the last of each.
func firstController(t *testing.T, environments ...plan.File) map[string]resource.Resource {
	t.Helper()
	o := article(t)
	o.Environments = environments
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]resource.Resource{}
	for _, d := range cfg["overcloud-controller-0"] {
		for _, r := range d.Resources {
			all[r.Key()] = r
		}
	}
	return all
}

func labEnvironment() plan.File { return plan.File{Name: plan.TreePath + "environments/lab.yaml"} }

// arguments are what a start script makes of the file on a machine with as many processors.
func arguments(t *testing.T, content, processors string) string {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "nproc"), []byte("#!/bin/sh\necho "+processors+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-ec", "DAEMON_ARGS='--http-socket :1 --ini x.ini'\n"+content+"echo \"$DAEMON_ARGS\"")
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "UWSGI_PORT=1", "UWSGI_INI_PATH=x.ini"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestProcessesOfAnAPI: as many as the parameter says, in the lab one, else by processors; a unit restarts for another number.
func TestProcessesOfAnAPI(t *testing.T) {
	own := plan.File{Name: "own.yaml", Data: []byte("parameter_defaults: {KeystoneWorkers: 5, PlacementWorkers: 5, NovaWorkers: 5, NeutronWorkers: 5, CinderWorkers: 5}\n")}
	for _, tt := range []struct {
		name         string
		environments []plan.File
		want         map[string]string // by processors
	}{
		{"default", nil, map[string]string{"1": "2", "2": "2", "8": "4", "24": "12", "256": "12"}},
		{"lab", []plan.File{labEnvironment()}, map[string]string{"1": "1", "64": "1"}},
		{"own", []plan.File{own}, map[string]string{"1": "5", "64": "5"}},
	} {
		all := firstController(t, tt.environments...)
		for unit, script := range apis {
			key := "file:/etc/default/" + script
			r, ok := all[key]
			if !ok {
				t.Errorf("%s: nobody writes /etc/default/%s", tt.name, script)
				continue
			}
			for processors, want := range tt.want {
				if got := arguments(t, r.File.Content, processors); got != "--http-socket :1 --ini x.ini --processes "+want+" --add-header Connection:close" {
					t.Errorf("%s: %s on %s processors: got %q, expected %s processes, named behind the ini file, and answers that say that they are the last", tt.name, script, processors, got, want)
				}
			}
			if on := all["unit:"+unit].Unit.RestartOn; !slices.Contains(on, key) {
				t.Errorf("%s: %s does not restart for its file: %q", tt.name, unit, on)
			}
		}
	}
}

// TestJournalIsInMemoryOnlyInTheLab: elsewhere a reboot must not forget it.
func TestJournalIsInMemoryOnlyInTheLab(t *testing.T) {
	const key = "file:/etc/systemd/journald.conf.d/10-overcloud.conf"
	for want, environments := range map[string][]plan.File{
		"[Journal]\nStorage=persistent\n":                  nil,
		"[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n": {labEnvironment()},
	} {
		all := firstController(t, environments...)
		if got := all[key].File; got == nil || got.Content != want {
			t.Errorf("got %+v, expected %q", got, want)
		}
		u := all["unit:systemd-journald"].Unit
		if u == nil || !slices.Contains(u.RestartOn, key) || u.Enabled == nil || *u.Enabled {
			t.Errorf("the unit: %+v", u)
		}
	}
}
