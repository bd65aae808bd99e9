package main

import (
	"strings"
	"testing"
)

func TestDeployArguments(t *testing.T) {
	t.Chdir(t.TempDir())
	texts(t, ".", map[string]string{
		"answers.yaml": "templates: " + bareTemplates + "\nenvironment: [a.yaml]\n",
		"roles.yaml":   "- name: Controller\n  tags: [primary, controller]\n- name: Compute\n- name: CephStorage\n",
	})
	const flagMissing = "WARNING: The disable_upgrade_deployment flag is not set in the roles file."
	const fatal = "fix them before proceeding.\nhint: without --validation-warnings-fatal they do not stop the deployment\n"
	for _, c := range []lineCase{
		{"accepted flags lead as far as the login", "overcloud deploy --templates -y --no-cleanup --heat-type pod --overcloud-ssh-user heat-admin --ansible-forks 5 --config-download --rhel-reg=false", 1, "", "…source stackrc…"},
		{"refused flags, all of them", "overcloud deploy --templates --rhel-reg --stack-only --skip-tags a --overcloud-ssh-user joe --heat-type none", 2, "",
			"openstack: error: argument --heat-type: invalid choice: 'none' (choose from 'pod', 'container', 'native')\nargument --overcloud-ssh-user: invalid choice: 'joe' (choose from 'heat-admin')\nargument --stack-only: not supported: " + always + "\nargument --skip-tags: not supported: " + always + "\nargument --rhel-reg: not supported: " + noRHEL + "\n"},
		{"limits that name what there is not", "overcloud deploy --templates --tags keyston,memcached", 1, "", "tags: no role has a service \"keyston\"; did you mean \"keystone\"?\nhint: the services of the roles: openstack overcloud deploy … --dry-run\n"},
		{"a step that there is not", "overcloud deploy --templates --from-step 6", 1, "", "from-step 6: expected 1 to 5\n"},
		{"an alias of a refused flag", "overcloud deploy --templates --no-config-download", 2, "", "openstack: error: argument --stack-only: not supported: " + always + "\n"},
		{"a wrong answers file", "overcloud deploy --answers-file answers.yaml", 1, "", "answers.yaml:2: unknown key \"environment\"; did you mean \"environments\"?\nhint: an answers file has the keys templates, environments, roles, networks\n"},
		{"files and directories that are missing", "overcloud deploy --templates -e a.yaml -e b.j2.yaml -r r.yaml --environment-directory d", 1, "",
			"Error: The following jinja2 files were provided: -e b.j2.yaml. Did you mean -e b.yaml?\nError: The following files were not found: a.yaml, r.yaml\nError: The following environment directories were not found: d\nhint: paths are relative to the current directory, or to the template tree " + bareTemplates + "\n"},
		{"a template that makes an environment", "overcloud deploy --templates -e overcloud-resource-registry.yaml", 1, "", "…source stackrc…"},
		{"a roles file without the flag", "overcloud deploy --templates -r roles.yaml", 1, "", "…" + flagMissing + "…"},
		{"warnings that are fatal", "overcloud deploy --templates -r roles.yaml --validation-warnings-fatal", 1, "", "…" + fatal + "…"},
	} {
		t.Run(c.name, c.run)
	}
}

// TestTripleoFlags: every flag is either harmless or refused, says why, and stands once on the command.
func TestTripleoFlags(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range (&program{}).deployCommand().Flags {
		for _, n := range f.Names() {
			if seen[n] {
				t.Errorf("--%s is there twice", n)
			}
			seen[n] = true
		}
	}
	for _, f := range tripleoTable() {
		if (f.accept == "") == (f.refuse == "") {
			t.Errorf("%s: accepted or refused?", f.names)
		}
	}
	for _, f := range tripleoTable() {
		if _, line, ok := strings.Cut(f.refuse, "openstack "); ok {
			line, _, _ = strings.Cut(line, ",")
			if code, _, errw := typed(t, line+" --help"); code != 0 {
				t.Errorf("--%s names a command that is not there: %s", f.names, errw)
			}
		}
	}
	_, out, _ := typed(t, "overcloud deploy --help")
	for want, is := range map[string]bool{"--ansible-forks value": true, "accepted; " + noAnsible: true, "--rhel-reg": false, "Exit codes:": true} {
		if strings.Contains(out, want) != is {
			t.Errorf("help has %q: want %v\n%s", want, is, out)
		}
	}
}
