package selrec

import "fmt"

// sensorTypes names the sensor types that a virtual machine's BMC has (table 42-3).
func sensorTypes() map[byte]string {
	return map[byte]string{
		0x01: "Temperature", 0x04: "Fan", 0x09: "Power Unit", 0x0b: "Other Units", 0x10: "Event Log", 0x12: "System Event", 0x1d: "System Boot",
		0x20: "OS Stop", 0x22: "ACPI Power State", 0x23: "Watchdog", 0x28: "Management Subsystem", 0x2a: "Session Audit",
	}
}

// offsets name what happened, by sensor type and offset (table 42-3); thresholds, which
// all types have alike, stand under type 0 (table 42-2, event type 01h).
func offsets() map[byte][]string {
	return map[byte][]string{
		0x00: {
			"lower non-critical, going low", "lower non-critical, going high", "lower critical, going low", "lower critical, going high",
			"lower non-recoverable, going low", "lower non-recoverable, going high", "upper non-critical, going low", "upper non-critical, going high",
			"upper critical, going low", "upper critical, going high", "upper non-recoverable, going low", "upper non-recoverable, going high",
		},
		0x09: {"power off", "power cycle", "240 VA power down", "interlock power down", "AC lost", "soft power control failed", "failure", "predictive failure"},
		0x10: {"correctable memory error logging disabled", "event logging disabled", "log cleared", "all event logging disabled", "log full", "log almost full"},
		0x12: {
			"system reconfigured", "OEM boot event", "hardware failure not found out", "entry added to the auxiliary log",
			"action of the platform event filter", "clock set",
		},
		0x1d: {
			"by power up", "by hard reset", "by warm reset", "PXE boot asked for by the user", "automatic boot to diagnostics",
			"hard reset by the operating system", "warm reset by the operating system", "system restart",
		},
		0x22: {"S0, working", "S1", "S2", "S3", "S4", "S5, soft off", "S4 or S5, soft off", "mechanical off"},
		0x23: {"timer expired", "hard reset", "power down", "power cycle", "", "", "", "", "timer interrupt"},
		0x28: {"sensors not available", "controller does not reach what it manages", "controller off-line", "controller not available", "sensor failure", "FRU failure"},
		0x2a: {"session opened", "session closed", "wrong user name or password", "login of a disabled account"},
	}
}

// Text says what a record tells, in the specification's words and one line of ASCII.
func (r Record) Text() string {
	if r.Type() != TypeSystemEvent {
		return fmt.Sprintf("OEM record, type %02xh: % x", r.Type(), r[3:])
	}
	e := r.Event()
	kind, known := sensorTypes()[e.SensorType]
	if !known {
		kind = fmt.Sprintf("Sensor type %02xh", e.SensorType)
	}
	what := ""
	const threshold, specific = 0x01, 0x6f
	names := offsets()[e.SensorType]
	switch e.EventType & 0x7f {
	case threshold:
		names = offsets()[0]
	case specific:
	default:
		names = nil
	}
	if at := int(e.Data[0] & 0x0f); at < len(names) {
		what = names[at]
	}
	if e.isOverride() {
		what = overrideText(e.Data)
	}
	if what == "" {
		what = fmt.Sprintf("event type %02xh, data % x", e.EventType&0x7f, e.Data)
	}
	if e.EventType&0x80 != 0 {
		what += ": over"
	}
	return fmt.Sprintf("%s #%d: %s", kind, e.Sensor, what)
}

// isOverride tells whether an event is a boot device that a client of this BMC chose.
func (e Event) isOverride() bool {
	const bmc, systemEvent, specific, oemBoot = 0x20, 0x12, 0x6f, 0xa1
	return e.Generator == bmc && e.SensorType == systemEvent && e.EventType == specific && e.Data[0] == oemBoot
}

// overrideText names the device and how long it is chosen for, which stand in the data as
// in parameter 5 of the boot options (28.13).
func overrideText(data [3]byte) string {
	names := map[byte]string{
		2: "disk", 3: "disk, safe mode", 5: "CD", 7: "remote floppy", 8: "remote CD", 9: "remote medium", 11: "remote disk", 15: "floppy",
	}
	device, known := names[data[1]>>2&0x0f]
	if !known {
		return ""
	}
	lasts := "next boot"
	if data[2]&0x40 != 0 {
		lasts = "persistent"
	}
	return fmt.Sprintf("boot from %s asked for by the user, %s", device, lasts)
}
