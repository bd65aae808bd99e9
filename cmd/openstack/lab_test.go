package main

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"trefoil/examples"
	"trefoil/overcloud/lab"
	"trefoil/overcloud/lab/probe"
)

// TestMachinesOfALabAreListedWithWhatTheyLack: a dry run prints them so, and lab show.
func TestMachinesOfALabAreListedWithWhatTheyLack(t *testing.T) {
	data, err := examples.FS.ReadFile("lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	config, err := lab.Parse("lab.yaml", data, "")
	if err != nil {
		t.Fatal(err)
	}
	machines, err := lab.Fit(config, lab.Host{CPUs: 2, MemoryAvailable: 60 << 30, DiskFree: 100 << 30}, probe.TCG)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	app := cli.NewApp()
	app.Writer = &out
	s := &lab.State{Config: *config, Machines: machines, Acceleration: probe.Result{Accel: probe.TCG}}
	if err := labMachines(cli.NewContext(app, nil, nil), &lab.Status{State: s}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "| control-1 ") || !strings.HasSuffix(got, "+\nemulated: 1 of 2 vCPU for control-1, storage-1, storage-2, compute-1, compute-2 (emulated machines share the host's processors)\n") {
		t.Errorf("got\n%s", got)
	}
}
