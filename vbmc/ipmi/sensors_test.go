package ipmi

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/sdrec"
	"trefoil/vbmc/ipmi/wire"
)

// meterRig is a running machine of four processors on the rig's clock.
func meterRig(t *testing.T) (*rig, *client) {
	t.Helper()
	m := fake.New([16]byte{1})
	r, _ := storedRig(t, m, NewMemStore())
	r.m = m
	m.Now = func() time.Time { return r.now }
	if err := m.On(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r, admin(t, r)
}

// work lets ten seconds pass in which so many processors are busy.
func (r *rig) work(t *testing.T, busy int) {
	t.Helper()
	u, err := r.m.Usage()
	if err != nil {
		t.Fatal(err)
	}
	u.VCPUs, u.MemoryMax, u.MemoryUsed = 4, 4<<30, 1<<30
	u.CPU += time.Duration(busy) * 10 * time.Second
	r.now = r.now.Add(10 * time.Second)
	r.m.SetUsage(u)
}

func TestSensorReadings(t *testing.T) {
	r, c := meterRig(t)
	ask := func(what string, sensor byte, cc byte, data ...byte) {
		t.Helper()
		gotCC, got := c.call(wire.Sensor, 0x2d, sensor)
		want(t, what, gotCC, got, cc, data...)
	}
	r.work(t, 0)
	ask("idle temperature", sensorTemperature, ccOK, 35, 0xc0, 0xc0)
	r.work(t, 2)
	ask("temperature at half load", sensorTemperature, ccOK, 55, 0xc0, 0xc0)
	ask("fan: 4800 rpm", sensorFan, ccOK, 80, 0xc0, 0xc0)
	ask("power: 84 W", sensorWatts, ccOK, 21, 0xc0, 0xc0)
	ask("load", sensorCPU, ccOK, 50, 0xc0, 0xc0)
	ask("memory", sensorMemory, ccOK, 25, 0xc0, 0xc0)
	ask("power unit", sensorPowerUnit, ccOK, 0, 0xc0, 0, 0x80)
	ask("ACPI", sensorACPI, ccOK, 0, 0xc0, 1, 0x80)
	ask("sensor that is none", 0x7f, ccNoRecord)
	ask("sensor of events only", sensorSystemBoot, ccNoRecord)
	if err := r.m.Off(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask("temperature while off", sensorTemperature, ccOK, 0, 0xe0, 0xc0)
	ask("power while off", sensorWatts, ccOK, 0, 0xc0, 0xc0)
	ask("power unit while off", sensorPowerUnit, ccOK, 0, 0xc0, 1, 0x80)
	ask("ACPI while off", sensorACPI, ccOK, 0, 0xc0, 0x20, 0x80)
	r.m.Fail(domain.ErrUnavailable)
	ask("power while the hypervisor is away", sensorWatts, ccOK, 0, 0xe0, 0xc0)
	ask("power unit while the hypervisor is away", sensorPowerUnit, ccOK, 0, 0xe0, 0, 0x80)
	ask("hypervisor while it is away", sensorHypervisor, ccOK, 0, 0xc0, 2, 0x80)
}

// bare is a machine that cannot tell its usage.
type bare struct{ domain.Machine }

// broken has a meter that fails.
type broken struct{ domain.Machine }

func (broken) Usage() (domain.Usage, error) { return domain.Usage{}, errors.New("no figures") }

func TestMachineWithoutUsage(t *testing.T) {
	m := fake.New([16]byte{1})
	if err := m.On(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, _ := storedRig(t, bare{m}, nil)
	c := admin(t, r)
	cc, d := c.call(wire.Sensor, 0x2d, sensorWatts)
	want(t, "power of a machine without a meter", cc, d, ccOK, 15, 0xc0, 0xc0)
	r, _ = storedRig(t, broken{m}, nil)
	c = admin(t, r)
	cc, d = c.call(wire.Sensor, 0x2d, sensorWatts)
	want(t, "power when the meter fails", cc, d, ccOK, 0, 0xe0, 0xc0)
}

func TestThresholdEvents(t *testing.T) {
	r, c := meterRig(t)
	look := func(busy int, data ...byte) {
		t.Helper()
		r.work(t, busy)
		cc, d := c.call(wire.Sensor, 0x2d, sensorTemperature)
		want(t, "reading", cc, d, ccOK, data...)
	}
	clear := func() { r.parts.sel.kept.Log.Clear(0) }
	clear()
	cc, d := c.call(wire.Sensor, 0x26, sensorTemperature, 0x08, 0, 0, 0, 55, 0, 0)
	want(t, "set upper non-critical", cc, d, ccOK)
	cc, d = c.call(wire.Sensor, 0x27, sensorTemperature)
	want(t, "thresholds", cc, d, ccOK, 0x38, 0, 0, 0, 55, 90, 100)
	look(1, 45, 0xc0, 0xc0)
	wantEvents(t, r.BMC)
	look(2, 55, 0xc0, 0xc8)
	wantEvents(t, r.BMC, [4]byte{1, 0x10, 0x01, 0x57})
	if e := r.Events()[0].Event(); e.Data != [3]byte{0x57, 55, 55} {
		t.Errorf("event data % x", e.Data)
	}
	cc, d = c.call(wire.Sensor, 0x2b, sensorTemperature)
	want(t, "event status", cc, d, ccOK, 0xc0, 0x80, 0, 0, 0)
	look(2, 55, 0xc0, 0xc8) // told once
	wantEvents(t, r.BMC, [4]byte{1, 0x10, 0x01, 0x57})
	c.call(wire.Sensor, 0x2a, sensorTemperature, 0) // re-armed: told again
	look(2, 55, 0xc0, 0xc8)
	wantEvents(t, r.BMC, [4]byte{1, 0x10, 0x01, 0x57}, [4]byte{1, 0x10, 0x01, 0x57})
	clear()
	look(1, 45, 0xc0, 0xc0)
	wantEvents(t, r.BMC, [4]byte{1, 0x10, 0x81, 0x57})
	clear()
	cc, d = c.call(wire.Sensor, 0x28, sensorTemperature, 0xe0, 0x80, 0, 0, 0) // no assertion of it
	want(t, "disable one event", cc, d, ccOK)
	cc, d = c.call(wire.Sensor, 0x29, sensorTemperature)
	want(t, "event enable", cc, d, ccOK, 0xc0, 0x00, 0x0a, 0x80, 0x0a)
	look(2, 55, 0xc0, 0xc8)
	wantEvents(t, r.BMC)
	cc, d = c.call(wire.Sensor, 0x28, sensorTemperature, 0x80) // scanning off
	want(t, "disable scanning", cc, d, ccOK)
	look(2, 0, 0xa0, 0xc0)
}

// TestHysteresis: a threshold that was crossed holds until the reading is back by more
// than the hysteresis.
func TestHysteresis(t *testing.T) {
	set := sensorSettings{Thresholds: [6]byte{1: 20, 4: 80}, Positive: 2, Negative: 3}
	for _, tc := range []struct{ raw, was, want byte }{
		{79, 0, 0}, {80, 0, 0x10}, {77, 0x10, 0x10}, {76, 0x10, 0},
		{21, 0, 0}, {20, 0, 0x02}, {22, 0x02, 0x02}, {23, 0x02, 0}, {0, 0, 0x02}, {255, 0, 0x10},
	} {
		if got := crossed(0x12, set, tc.raw, tc.was); got != tc.want {
			t.Errorf("raw %d after %#x: %#x, want %#x", tc.raw, tc.was, got, tc.want)
		}
	}
	if got := crossed(0x10, set, 0, 0); got != 0 {
		t.Errorf("a threshold that is none is crossed: %#x", got)
	}
}

func TestSensorSettings(t *testing.T) {
	store, m := NewMemStore(), fake.New([16]byte{1})
	r, _ := storedRig(t, m, store)
	c := admin(t, r)
	call := func(what string, cmd byte, in []byte, cc byte, data ...byte) {
		t.Helper()
		gotCC, got := c.call(wire.Sensor, cmd, in...)
		want(t, what, gotCC, got, cc, data...)
	}
	call("factors of the fan", 0x23, []byte{sensorFan, 7}, ccOK, 8, 60, 0, 0, 0, 0, 0)
	call("factors of a state", 0x23, []byte{sensorACPI, 7}, ccWrongRecord)
	call("factors of nothing", 0x23, []byte{0x99, 7}, ccNoRecord)
	call("type", 0x2f, []byte{sensorFan}, ccOK, 4, 1)
	call("type of a sensor of events", 0x2f, []byte{sensorSystemBoot}, ccOK, 0x1d, 0x6f)
	call("set hysteresis", 0x24, []byte{sensorFan, 0xff, 4, 5}, ccOK)
	call("hysteresis", 0x25, []byte{sensorFan, 0xff}, ccOK, 4, 5)
	call("hysteresis where there are no thresholds", 0x24, []byte{sensorCPU, 0xff, 4, 5}, ccWrongRecord)
	call("threshold that is none", 0x26, []byte{sensorFan, 0x20, 0, 0, 0, 0, 0, 9}, ccDataInvalid)
	call("set thresholds of the fan", 0x26, []byte{sensorFan, 0x03, 30, 15, 9, 9, 9, 9}, ccOK)
	call("enable what cannot be", 0x28, []byte{sensorFan, 0xd0, 0x80, 0, 0, 0}, ccDataInvalid)
	r, _ = storedRig(t, m, store) // after a restart
	c = admin(t, r)
	call("thresholds after a restart", 0x27, []byte{sensorFan}, ccOK, 3, 30, 15, 0, 0, 0, 0)
	call("hysteresis after a restart", 0x25, []byte{sensorFan, 0xff}, ccOK, 4, 5)
}

// readSDRs reads the repository as ipmitool does: header first, then pieces.
func readSDRs(t *testing.T, c *client) [][]byte {
	t.Helper()
	cc, res := c.call(wire.Storage, 0x22)
	if cc != ccOK {
		t.Fatalf("reserve: %#x", cc)
	}
	var all [][]byte
	for next := []byte{0, 0}; !bytes.Equal(next, []byte{0xff, 0xff}); {
		var record []byte
		id := next
		for offset, size := 0, 5; offset < size; {
			n := min(5, size-offset)
			cc, d := c.call(wire.Storage, 0x23, res[0], res[1], id[0], id[1], byte(offset), byte(n))
			if cc != ccOK || len(d) != n+2 {
				t.Fatalf("record % x at %d: %#x % x", id, offset, cc, d)
			}
			next, record, offset = d[:2], append(record, d[2:]...), offset+n
			size = 5 + int(record[4])
		}
		all = append(all, record)
	}
	return all
}

func TestSDRRepository(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	cc, d := c.call(wire.Storage, 0x20)
	want(t, "info", cc, d, ccOK, 0x51, 15, 0, 0, 0, 0x60, 0xfd, 0x09, 0x6b, 255, 255, 255, 255, 3)
	all := readSDRs(t, c)
	if len(all) != 15 {
		t.Fatalf("%d records", len(all))
	}
	for i, record := range all {
		whole := repository()[i]
		if !bytes.Equal(record, whole) || int(record[0]) != i+1 || len(record) > 64 {
			t.Errorf("record %d is % x, want % x", i, record, whole)
		}
	}
	cc, d = c.call(wire.Storage, 0x23, 0, 0, 1, 0, 5, 4)
	want(t, "from the middle without reservation", cc, d, ccNoReservation)
	cc, d = c.call(wire.Storage, 0x23, 1, 0, 16, 0, 0, 0xff)
	want(t, "no such record", cc, d, ccNoRecord)
	cc, d = c.call(wire.Storage, 0x23, 1, 0, 1, 0, 200, 1)
	want(t, "beyond the end", cc, d, ccOutOfRange)
	cc, d = c.call(wire.Storage, 0x23, 0, 0, 0xff, 0xff, 0, 3)
	want(t, "last", cc, d, ccOK, 0xff, 0xff, 15, 0, 0x51)
	cc, d = c.call(wire.Storage, 0x27, 1, 0, 'C', 'L', 'R', 0xaa)
	want(t, "clear", cc, d, ccInvalid)
	cc, d = c.call(wire.App, 1)
	want(t, "device id", cc, d, ccOK, 0x20, 1, 1, 0, 2, 0x8f, 0, 0, 0, 0x54, 0x46, 0, 0, 0, 0)
}

// TestRecordsSayWhatSensorsDo compares SDRs with the answers of the commands: clients
// take thresholds from the one or from the other.
func TestRecordsSayWhatSensorsDo(t *testing.T) {
	r := newRig(t)
	c := admin(t, r)
	for _, record := range readSDRs(t, c) {
		if record[3] != 1 {
			continue
		}
		number := record[7]
		cc, d := c.call(wire.Sensor, 0x27, number)
		th := record[36:42] // UNR UC UNC LNR LC LNC
		want(t, "thresholds", cc, d, ccOK, record[18], th[5], th[4], th[3], th[2], th[1], th[0])
		cc, d = c.call(wire.Sensor, 0x23, number, 0)
		want(t, "factors", cc, d, ccOK, 1, record[24], 0, 0, 0, 0, 0)
		cc, d = c.call(wire.Sensor, 0x2f, number)
		want(t, "type", cc, d, ccOK, record[12], record[13])
		cc, d = c.call(wire.Sensor, 0x25, number, 0xff)
		want(t, "hysteresis", cc, d, ccOK, record[42], record[43])
		cc, d = c.call(wire.Sensor, 0x29, number)
		want(t, "events", cc, d, ccOK, 0xc0, record[14], record[15]&0x0f, record[16], record[17]&0x0f)
		if id, ok := sensorRecord(number); !ok || byte(id) != record[0] {
			t.Errorf("sensor %#x has record %d, want %d", number, id, record[0])
		}
	}
}

func TestFullRecordBytes(t *testing.T) {
	a, _ := findAnalog(sensorTemperature)
	want := []byte{
		3, 0, 0x51, 1, 51, 0x20, 0, 0x10, 3, 1, 0x7f, 0x68, 1, 1,
		0x80, 0x0a, 0x80, 0x7a, 0x38, 0x38, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0,
		7, 35, 75, 30, 0xff, 0, 100, 90, 80, 0, 0, 0, 2, 2, 0, 0, 0, 0xc8,
		'C', 'P', 'U', ' ', 'T', 'e', 'm', 'p',
	}
	if got := a.Record(3); !bytes.Equal(got, want) {
		t.Errorf("record\n% x, want\n% x", got, want)
	}
	fan, _ := findAnalog(sensorFan)
	if got := fan.EventMask(); got != 0x05 || sdrec.Offset(5) != 11 {
		t.Errorf("events of the fan %#x", got)
	}
}

// TestLogTellsWithoutAReading: who only reads the log learns of a threshold, and of the
// power limit, as well.
func TestLogTellsWithoutAReading(t *testing.T) {
	for name, read := range map[string]func(c *client){
		"info":  func(c *client) { c.call(wire.Storage, 0x40) },
		"entry": func(c *client) { c.call(wire.Storage, 0x43, 0, 0, 0, 0, 0, 0xff) },
	} {
		t.Run(name, func(t *testing.T) {
			r, c := meterRig(t)
			c.call(wire.Sensor, 0x26, sensorTemperature, 0x08, 0, 0, 0, 55, 0, 0)
			c.call(wire.Group, 4, 0xdc, 0, 0, 0, 0x11, 70, 0, 0, 0, 0, 0, 0, 0, 1, 0)
			c.call(wire.Group, 5, 0xdc, 1, 0, 0)
			r.parts.sel.kept.Log.Clear(0)
			r.work(t, 0)
			read(c)
			wantEvents(t, r.BMC)
			r.work(t, 2)
			read(c)
			wantEvents(t, r.BMC, [4]byte{1, 0x10, 0x01, 0x57}, [4]byte{0x0b, 0x12, 0x05, 1})
			r.m.Fail(domain.ErrUnavailable)
			if cc, _ := c.call(wire.Storage, 0x40); cc != ccOK {
				t.Errorf("the log while the hypervisor is away: %#x", cc)
			}
		})
	}
}
