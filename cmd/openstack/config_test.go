package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigDownload(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	texts(t, dir, map[string]string{"theirs/thesis": "x", "two.yaml": "parameter_defaults:\n  ComputeCount: 2\n", "bad.yaml": "parameter_defaults:\n  ComputeCount: two\n"})
	const command = "overcloud config download "
	for _, c := range []lineCase{
		{name: "offline", line: command + "--templates -e two.yaml --output-dir out", out: "The TripleO configuration has been successfully generated into: out\n",
			errw: "WARNING: no git program: the configuration is not kept as a commit\n"},
		{name: "some types", line: command + "--templates --output-dir some --config-type packages step_config", out: "…generated into: some…", errw: "…no git program…"},
		{name: "unknown type", line: command + "--templates --output-dir no --config-type step_confg", code: exitFailed, errw: "…Invalid key: step_confg…"},
		{name: "wrong parameter", line: command + "--templates -e bad.yaml --output-dir no", code: exitFailed, errw: "…ComputeCount…"},
		{name: "someone's directory", line: command + "--templates --output-dir theirs", code: exitFailed, errw: "…theirs holds files that are not a downloaded configuration…"},
		{name: "what does not go together", line: command + "--config-dir a --output-dir b -e two.yaml", code: exitUsage, errw: "…argument --output-dir: not allowed with argument --config-dir…"},
		{name: "stray argument", line: command + "overcloud", code: exitUsage, errw: "openstack: error: unrecognized arguments: overcloud\n"},
		{name: "no undercloud", line: command + "--name overcloud", code: exitFailed, errw: "…source stackrc…"},
	} {
		t.Run(c.name, c.run)
	}
	for name, want := range map[string]bool{"out/Compute/overcloud-novacompute-1/step_1.yaml": true, "out/Controller/service_names.yaml": true,
		"some/Controller/packages.yaml": true, "some/Controller/step_config.yaml": true, "some/Controller/service_names.yaml": false, "no": false, "theirs/ansible.cfg": false} {
		if _, err := os.Stat(filepath.FromSlash(name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without --output-dir every run makes a directory of its own, as in Queens; one
// that fails leaves none.
func TestConfigDownloadMakesADirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for range 2 {
		if code, out, errw := typed(t, "overcloud config download --templates --config-dir here"); code != exitOK || !strings.Contains(out, "generated into: here/tripleo-") {
			t.Fatalf("%d %s %s", code, out, errw)
		}
	}
	if code, _, _ := typed(t, "overcloud config download --templates --config-dir here --config-type nothing"); code != exitFailed {
		t.Errorf("code %d", code)
	}
	made, err := filepath.Glob("here/tripleo-*-config/tripleo-ansible-inventory.yaml")
	all, _ := os.ReadDir("here")
	if err != nil || len(made) != 2 || len(all) != 2 {
		t.Errorf("%v %v %v", made, all, err)
	}
}
