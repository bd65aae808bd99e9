// Package sdrec builds sensor data records of IPMI 2.0 (section 43).
package sdrec

// Record types.
const (
	typeFull       = 0x01
	typeCompact    = 0x02
	typeEventOnly  = 0x03
	typeFRULocator = 0x11
	typeMCLocator  = 0x12
)

// Entities (table 43-13).
const (
	EntityProcessor = 0x03
	EntityMemory    = 0x08
	EntityManager   = 0x06 // system management module
	EntityBoard     = 0x07
	EntityPower     = 0x0a
	EntitySystem    = 0x17 // chassis
	EntityFan       = 0x1d
	EntityFirmware  = 0x22
)

// Units (table 43-15).
const (
	UnitCelsius = 1
	UnitWatts   = 6
	UnitRPM     = 18
	Percent     = 0x01 // flag in units 1 and not a unit
)

const bmc = 0x20 // the owner of all records: slave address

// header begins a record (43): id, version, type and the length of what follows.
func header(id uint16, kind byte, body []byte) []byte {
	return append([]byte{byte(id), byte(id >> 8), 0x51, kind, byte(len(body))}, body...)
}

// name is a type/length byte and 8-bit ASCII (43.15).
func name(s string) []byte {
	s = s[:min(len(s), 16)]
	return append([]byte{0xc0 | byte(len(s))}, s...)
}

// Thresholds are raw values, in the order of the set and get commands; Mask says
// which there are (bit 0 lower non-critical to bit 5 upper non-recoverable).
type Thresholds struct {
	Mask  byte
	Value [6]byte // LNC LC LNR UNC UC UNR
}

// Analog is a sensor with readings (43.1). A reading is Factor × raw value.
type Analog struct {
	Number, Type, Entity byte
	Name                 string
	Units1, Unit         byte
	Factor               byte
	Nominal, Low, High   byte // raw: idle, and the normal range
	Thresholds           Thresholds
	Hysteresis           byte // both directions
}

// EventMask are the assertions, or deassertions, of the thresholds there are: lower
// ones going low, upper ones going high (table 43-1, bytes 15 to 18).
func (a Analog) EventMask() uint16 {
	var m uint16
	for i := range 6 {
		if a.Thresholds.Mask>>i&1 == 0 {
			continue
		}
		m |= 1 << Offset(i)
	}
	return m
}

// Offset is the event offset of a threshold (table 42-2): 0 LNC going low to 11 UNR
// going high.
func Offset(threshold int) byte {
	if threshold < 3 {
		return byte(2 * threshold)
	}
	return byte(2*threshold + 1)
}

// Record makes the full record.
func (a Analog) Record(id uint16) []byte {
	events := a.EventMask()
	capabilities := byte(0x40) // re-arms itself; no thresholds, no hysteresis
	if a.Thresholds.Mask != 0 {
		capabilities |= 0x20 | 0x08 // both can be read and set
	}
	// Bits 14:12 say which comparisons a reading tells: of the lower thresholds beside
	// the assertions, of the upper ones beside the deassertions.
	assert := events | uint16(a.Thresholds.Mask&0x07)<<12
	deassert := events | uint16(a.Thresholds.Mask&0x38)<<9
	b := []byte{
		bmc, 0, a.Number, a.Entity, 1,
		0x7f, // initialised: scanning, events, thresholds, hysteresis, type; both enabled after power up
		capabilities, a.Type, 0x01,
		byte(assert), byte(assert >> 8),
		byte(deassert), byte(deassert >> 8),
		a.Thresholds.Mask, a.Thresholds.Mask, // readable, settable
		a.Units1, a.Unit, 0,
		0,           // linear
		a.Factor, 0, // M, tolerance
		0, 0, // B, accuracy
		0, 0, // accuracy exponent, R and B exponents
		0x07, // nominal, normal maximum and minimum are given
		a.Nominal, a.High, a.Low,
		0xff, 0x00, // largest and smallest reading
		a.Thresholds.Value[5], a.Thresholds.Value[4], a.Thresholds.Value[3],
		a.Thresholds.Value[2], a.Thresholds.Value[1], a.Thresholds.Value[0],
		a.Hysteresis, a.Hysteresis,
		0, 0, 0,
	}
	return header(id, typeFull, append(b, name(a.Name)...))
}

// Discrete is a sensor with states (43.2).
type Discrete struct {
	Number, Type, Entity byte
	Name                 string
	States               uint16 // that can be asserted
	EventOnly            bool   // it cannot be read (43.3)
}

// Record makes the compact or the event-only record.
func (d Discrete) Record(id uint16) []byte {
	const specific = 0x6f
	if d.EventOnly {
		b := []byte{bmc, 0, d.Number, d.Entity, 1, d.Type, specific, 0x01, 0, 0, 0}
		return header(id, typeEventOnly, append(b, name(d.Name)...))
	}
	lo, hi := byte(d.States), byte(d.States>>8)
	b := []byte{
		bmc, 0, d.Number, d.Entity, 1,
		0x67, // initialised: scanning, events, type; both enabled after power up
		0x40, d.Type, specific,
		lo, hi, lo, hi, lo, hi, // assertions, deassertions, states
		0xc0, 0, 0, // no analog reading
		0x01, 0, // one record for one sensor
		0, 0,
		0, 0, 0, 0,
	}
	return header(id, typeCompact, append(b, name(d.Name)...))
}

// FRULocator tells of the inventory at the BMC (43.8).
func FRULocator(id uint16, device, entity byte, text string) []byte {
	b := []byte{bmc, device, 0x80, 0, 0, 0x10, 0, entity, 1, 0}
	return header(id, typeFRULocator, append(b, name(text)...))
}

// MCLocator tells of the BMC itself (43.9); support is that of Get Device ID.
func MCLocator(id uint16, support byte, text string) []byte {
	const static = 0x20
	b := []byte{bmc, 0, static, support, 0, 0, 0, EntityManager, 1, 0}
	return header(id, typeMCLocator, append(b, name(text)...))
}
