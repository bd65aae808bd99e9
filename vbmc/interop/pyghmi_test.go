//go:build e2e

package interop

import (
	"bytes"
	"encoding/json"
	"testing"
)

// evaluator logs in once and evaluates an expression for each row; c is the session.
// readings waits until all sensors have one: a hypervisor counts when it likes. sol types
// until the guest has echoed it, as the guest may be booting still; it has a session of its
// own, since a console in one that is open is not told of it.
//
// Pyghmi's thread that receives is another than the one that waits: an answer that is there
// before somebody waits for it is looked at when it is time to ask again. So it is with every
// other answer of a BMC on the same host, and that time is half a second to one second
// (session.initialtimeout and a random part). Here it is short.
const evaluator = `
import json, random, sys, time
from pyghmi.ipmi import command, console
from pyghmi.ipmi.private import session
real = random.random
session.initialtimeout, random.random = 0.05, lambda: real() / 10
host, port, kg, rows = json.load(sys.stdin)
def login(kg):
    return command.Command(bmc=host, port=port, userid='admin', password='secret', kg=kg, keepalive=False)
c = login(kg)
def readings():
    end = time.time() + 20
    while True:
        some = [(s.name, s.value, s.units) for s in c.get_sensor_data() if s.value is not None]
        if {'CPU Temp', 'Fan', 'Power'} <= {n for n, _, _ in some} or time.time() > end:
            return some
        time.sleep(0.2)
def sol(key):
    said = []
    text = lambda: ''.join(d.decode('latin-1') if isinstance(d, bytes) else str(d) for d in said)
    s = console.Console('::1', 'admin', 'secret', said.append, port=port, kg=kg)
    end = time.time() + 60
    while '<%s>' % key not in text() and 'error' not in text() and time.time() < end:
        s.send_data(key)
        s.wait_for_rsp(1)
    s.close()
    return text()
out = []
for r in rows:
    began = time.time()
    try:
        got = repr(eval(r))
    except Exception as e:
        got = 'error: %r' % e
    out.append([got, '%d' % (1000 * (time.time() - began))])
c.ipmi_session.logout()
print(json.dumps(out))
`

// pyghmiTable is all that pyghmi is asked on one BMC, in this order and in one session.
func pyghmiTable(t *testing.T, b bed) {
	t.Helper()
	rows := pyghmiOnRows()
	if b.values["SOFT"] == "on" { // a guest that echoes
		rows = append(rows, row{"sol('p')", `<p>`})
	}
	b.pyghmi(t, nil, append(rows, pyghmiOffRows()...))
}

// pyghmi evaluates rows in one process and one session; the BMC key may be nil.
func (b bed) pyghmi(t *testing.T, kg any, rows []row) {
	t.Helper()
	var commands []string
	for _, r := range rows {
		commands = append(commands, r.command)
	}
	in, err := json.Marshal([]any{b.host, b.port, kg, commands})
	if err != nil {
		t.Fatal(err)
	}
	// Debian's own Python has Debian's pyghmi.
	out, err := output(t, t.TempDir(), string(in), "/usr/bin/python3", "-c", evaluator)
	var got [][2]string // and how many milliseconds it took
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(out), &got)
	}
	if err != nil || len(got) != len(rows) {
		t.Fatalf("pyghmi: %v\n%s", err, out)
	}
	for i, r := range rows {
		t.Logf("%4s ms %s", got[i][1], r.command)
		if want := b.pattern(r.want); !want.MatchString(got[i][0]) {
			t.Errorf("%s is %s, want %q", r.command, got[i][0], want)
		}
	}
}

// pyghmiOnRows leave the machine on.
func pyghmiOnRows() []row {
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
		{"c.set_mci('bmc-7')", `^None$`},
		{"c.get_hostname()", `bmc-7`}, // it is the same in DCMI
		{"list(c.get_firmware())", `'BMC Version', {'version': '\d+\.\d+'}`},
		{"c.get_channel_info()", `'Actual channel': 1, 'Channel Medium type': '802.3 LAN', .*'session_support': 'multi'`},
		{"c.get_channel_access()", `'access_mode': 'always', 'privilege_level': 'administrator'`},
		{"c.get_net_configuration()", `'ipv4_address': '127.0.0.1/8', 'ipv4_configuration': 'Static', 'mac_address': '52:54:`},
		{"c.create_user(uid=5, name='joe', password='secret-5', channel=1, privilege_level='operator')", `^True$`},
		{"sorted((u['uid'], u['name'], u['access']['privilege_level']) for u in c.get_users().values())", `^\[\(2, 'admin', 'administrator'\), \(5, 'joe', 'operator'\)\]$`},
		{"c.user_delete(5)", `^True$`},
		{"sorted(c.get_users())", `^\[2\]$`},
		{"c.set_identify(on=True, duration=5)", `^None$`},
	}
}

func pyghmiOffRows() []row {
	return []row{
		{"c.set_bootdev('hd', persist=True)", `^{'bootdev': 'hd'}$`},
		{"c.get_bootdev()", `^{'bootdev': 'hd', 'persistent': True, 'uefimode': False}$`},
		{"c.set_bootdev('default')", `^{'bootdev': 'default'}$`},
		{"c.get_bootdev()", `^{'bootdev': 'default', 'persistent': True}$`}, // its words for no override
		{"c.set_bootdev('network', uefiboot=True)", `^{'bootdev': 'network'}$`},
		{"c.get_bootdev()", `^{'bootdev': 'network', 'persistent': False, 'uefimode': True}$`},
		{"c.set_power('reset')", `^{'pendingpowerstate': 'reset'}$`},
		{"c.set_power('off', wait=60)", `^{'powerstate': 'off'}$`},
		{"[e['event'] for e in c.get_event_log(clear=True)][-1:]", `^\['Off'\]$`},
		{"[e['event'] for e in c.get_event_log()]", `^\['Log clear'\]$`},
	}
}
