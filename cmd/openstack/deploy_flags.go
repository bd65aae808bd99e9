package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/overcloud/deploy"
)

// tripleoFlag is a flag of TripleO's deploy that does nothing here: because
// nothing needs to be done, or because doing nothing would be a lie.
type tripleoFlag struct {
	names   string // the first, then aliases
	value   bool   // takes one
	accept  string // why it is harmless
	refuse  string // why it is not, and what to do instead
	allowed string // the values that are harmless, comma separated
}

const (
	noAnsible = "machines are configured without Ansible"
	noHeat    = "no Heat process is started"
	noRHEL    = "nodes run Debian: there is nothing to register"
	written   = "the configuration goes to the machines, not into files here; --dry-run shows what each role will do"
	always    = "a deployment is always brought to its end; what is in line already is left alone"
)

func tripleoTable() []tripleoFlag {
	return []tripleoFlag{
		{names: "disable-validations", accept: "the checks always run"},
		{names: "run-validations", accept: "the checks always run"},
		{names: "inflight-validations", accept: "each step waits for its services anyway"},
		{names: "validation-errors-nonfatal", accept: "what cannot be planned or placed still ends the command"},
		{names: "no-cleanup", accept: "no temporary files are left behind"},
		{names: "force-postconfig", accept: "the overcloud is always set up afterwards"},
		{names: "skip-deploy-identifier", accept: "a step runs only where something differs"},
		{names: "config-download", accept: "it is the only way"},
		{names: "provision-nodes", accept: "it is the default"},
		{names: "network-config", accept: "the networks of the nodes are always set up"},
		{names: "deployment-python-interpreter", value: true, accept: "no Python runs on the nodes"},
		{names: "ansible-forks", value: true, accept: noAnsible},
		{names: "disable-container-prepare", accept: "no containers are used"},
		{names: "working-dir", value: true, accept: "the undercloud keeps what was deployed"},
		{names: "heat-type", value: true, accept: noHeat, allowed: "pod,container,native"},
		{names: "heat-container-api-image", value: true, accept: noHeat},
		{names: "heat-container-engine-image", value: true, accept: noHeat},
		{names: "rm-heat", accept: noHeat},
		{names: "skip-heat-pull", accept: noHeat},
		{names: "disable-protected-resource-types", accept: "no types are protected"},
		{names: "yes,y", accept: "nothing is asked"},
		{names: "allow-deprecated-network-data", accept: "both formats are read"},
		{names: "overcloud-ssh-enable-timeout", value: true, accept: "TripleO ignores it too"},
		{names: "overcloud-ssh-port-timeout", value: true, accept: "--timeout is the limit"},
		{names: "overcloud-ssh-network", value: true, accept: "only ctlplane", allowed: "ctlplane"},
		{names: "overcloud-ssh-user", value: true, accept: "only " + deploy.RemoteUser, allowed: deploy.RemoteUser},
		{names: "overcloud-ssh-key", value: true, refuse: "the undercloud makes a key of its own for the nodes"},
		{names: "skip-postconfig", refuse: always},
		{names: "disable-password-generation", refuse: "passwords that an environment gives win over generated ones"},
		{names: "deployed-server", refuse: "machines are provisioned here; those that are installed already cannot be taken over"},
		{names: "output-dir", value: true, refuse: written},
		{names: "stack-only,no-config-download", refuse: always},
		{names: "config-download-only", refuse: always},
		{names: "setup-only", refuse: always},
		{names: "config-dir", value: true, refuse: written},
		{names: "config-type", value: true, refuse: written},
		{names: "no-preserve-config", refuse: written},
		{names: "override-ansible-cfg", value: true, refuse: noAnsible},
		{names: "config-download-timeout", value: true, refuse: "--timeout is the limit of the whole"},
		{names: "skip-tags", value: true, refuse: always},
		{names: "rhel-reg", refuse: noRHEL},
		{names: "reg-method", value: true, refuse: noRHEL},
		{names: "reg-org", value: true, refuse: noRHEL},
		{names: "reg-force", refuse: noRHEL},
		{names: "reg-sat-url", value: true, refuse: noRHEL},
		{names: "reg-activation-key", value: true, refuse: noRHEL},
	}
}

// tripleoFlags are the flags of the table; those that are refused are not in the help.
func tripleoFlags() []cli.Flag {
	var out []cli.Flag
	for _, f := range tripleoTable() {
		names := strings.Split(f.names, ",")
		help := "accepted; " + f.accept
		if f.value {
			out = append(out, &cli.StringFlag{Name: names[0], Aliases: names[1:], Usage: help, Hidden: f.refuse != ""})
		} else {
			out = append(out, &cli.BoolFlag{Name: names[0], Aliases: names[1:], Usage: help, Hidden: f.refuse != ""})
		}
	}
	return out
}

// refuseFlags refuses what would not be done though it was asked for, all at once.
func refuseFlags(c *cli.Context) error {
	var lines []string
	for _, f := range tripleoTable() {
		name, _, _ := strings.Cut(f.names, ",")
		if !c.IsSet(name) || !f.value && !c.Bool(name) {
			continue
		}
		given := c.String(name)
		switch {
		case f.refuse != "":
			lines = append(lines, fmt.Sprintf("argument --%s: not supported: %s", name, f.refuse))
		case f.allowed != "" && !strings.Contains(","+f.allowed+",", ","+given+","):
			lines = append(lines, fmt.Sprintf("argument --%s: invalid choice: '%s' (choose from '%s')", name, given, strings.ReplaceAll(f.allowed, ",", "', '")))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("%s", strings.Join(lines, "\n"))}
}
