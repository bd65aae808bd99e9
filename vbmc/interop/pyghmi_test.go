//go:build e2e

package interop

import (
	"bytes"
	"encoding/json"
	"testing"
)

// evaluator logs in once and evaluates an expression for each row; c is the session.
// readings waits until all sensors have one: a hypervisor counts when it likes.
const evaluator = `
import json, sys, time
from pyghmi.ipmi import command
host, port, rows = json.load(sys.stdin)
c = command.Command(bmc=host, port=port, userid='admin', password='secret', keepalive=False)
def readings():
    end = time.time() + 20
    while True:
        some = [(s.name, s.value, s.units) for s in c.get_sensor_data() if s.value is not None]
        if {'CPU Temp', 'Fan', 'Power'} <= {n for n, _, _ in some} or time.time() > end:
            return some
out = []
for r in rows:
    try:
        out.append(repr(eval(r)))
    except Exception as e:
        out.append('error: %r' % e)
c.ipmi_session.logout()
print(json.dumps(out))
`

// pyghmiTable is all that pyghmi is asked on one BMC, in this order and in one session.
func pyghmiTable(t *testing.T, b bed) {
	t.Helper()
	rows := pyghmiRows()
	var commands []string
	for _, r := range rows {
		commands = append(commands, r.command)
	}
	in, err := json.Marshal([]any{b.host, b.port, commands})
	if err != nil {
		t.Fatal(err)
	}
	// Debian's own Python has Debian's pyghmi.
	out, err := output(t, t.TempDir(), string(in), "/usr/bin/python3", "-c", evaluator)
	var got []string
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(out), &got)
	}
	if err != nil || len(got) != len(rows) {
		t.Fatalf("pyghmi: %v\n%s", err, out)
	}
	for i, r := range rows {
		if want := b.pattern(r.want); !want.MatchString(got[i]) {
			t.Errorf("%s is %s, want %q", r.command, got[i], want)
		}
	}
}

func pyghmiRows() []row {
	return []row{
		{"c.raw_command(netfn=6, command=1)['code']", `^0$`},
		{"c.get_power()", `^{'powerstate': 'off'}$`},
		{"c.set_power('on', wait=60)", `^{'powerstate': 'on'}$`},
		{"readings()", `\('CPU Temp', {C}.0, '°C'\).*\('Fan', {RPM}.0, 'RPM'\).*\('Power', {W}.0, 'W'\)`},
		{"c.get_sensor_reading('CPU Temp').value", `^{C}.0$`},
		{"c.get_health()", `'badreadings': \[\], 'health': 0}`},
		{"[(e['component'], e['event']) for e in c.get_event_log()]", `^\[\('Session Audit', 'Activated'\), \('Power Unit', 'Power on'\), \('ACPI State', 'Online'\), \('System Boot', 'Power up'\)\]$`},
		{"list(c.get_inventory_descriptions())", `'System'`},
		{"c.get_inventory_of_component('System')", `'Serial Number': '{UUID}'`},
		{"c.set_asset_tag(b'rack 12 unit 4, row B')", `^None$`},
		{"c.get_asset_tag()", `^'rack 12 unit 4, row B'$`},
		{"c.get_mci()", `DCMI`},
		{"c.set_identify(on=True, duration=5)", `^None$`},
		{"c.set_bootdev('network', uefiboot=True)", `'bootdev': 'network'`},
		{"c.get_bootdev()", `'bootdev': 'network'.*`},
		{"c.set_power('reset')", `^{'pendingpowerstate': 'reset'}$`},
		{"c.set_power('off', wait=60)", `^{'powerstate': 'off'}$`},
		{"[e['event'] for e in c.get_event_log(clear=True)][-1:]", `^\['Off'\]$`},
		{"[e['event'] for e in c.get_event_log()]", `^\['Log clear'\]$`},
	}
}
