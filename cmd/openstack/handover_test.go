package main

import (
	"strings"
	"testing"
)

// What only this program has is in no package: the hint is where to look.
func TestAMistypedCommandOfOurs(t *testing.T) {
	code, out, errw := typed(t, "overcloud nod import x")
	if code != exitUsage || out != "" || !strings.HasSuffix(errw, "Did you mean one of these?\n  overcloud node import\nhint: openstack overcloud --help lists the commands\n") {
		t.Errorf("%d %s", code, errw)
	}
}

// Where nothing is near and there is little, what there is is told.
func TestAMistypedCommandOfAFew(t *testing.T) {
	for line, want := range map[string]string{
		"undercloud strat":  "hint: openstack undercloud --help lists the commands: install, uninstall\n",
		"undercloud instal": "Did you mean one of these?\n  undercloud install\nhint: openstack undercloud --help lists the commands: install, uninstall\n",
	} {
		if code, out, errw := typed(t, line); code != exitUsage || out != "" || !strings.HasSuffix(errw, want) {
			t.Errorf("%s: %d %s", line, code, errw)
		}
	}
}

// TestWhatAnUnknownCommandMayMean: words are compared with the words that may stand there,
// arguments with none, and the package is named that has the command.
func TestWhatAnUnknownCommandMayMean(t *testing.T) {
	const client, ironic = "package python3-openstackclient\n", "packages python3-openstackclient and python3-ironicclient\n"
	for line, want := range map[string]struct{ near, packages string }{
		"baremetal node manage node1":      {"", ironic},
		"baremetal node clean node1":       {"", ironic},
		"baremetal node unset x":           {"", ironic},
		"baremetal node delte node1":       {"baremetal node delete", ironic},
		"baremetl node list":               {"baremetal node list", client},
		"baremetal introspection start x":  {"", "packages python3-openstackclient and python3-ironic-inspector-client\n"},
		"baremetal introspection rule lst": {"baremetal introspection rule list", "packages python3-openstackclient and python3-ironic-inspector-client\n"},
		"network":                          {"", client},
		"network list":                     {"", client},
		"overclod deploy --templates":      {"overcloud deploy", client},
	} {
		code, out, errw := typed(t, line)
		_, near, _ := strings.Cut(errw, "Did you mean one of these?\n  ")
		near, _, _ = strings.Cut(near, "\n")
		if code != exitUsage || out != "" || near != want.near || !strings.HasSuffix(errw, "the Python client with this one is in Debian's "+want.packages) {
			t.Errorf("%s: %d %s", line, code, errw)
		}
	}
}
