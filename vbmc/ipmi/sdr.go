package ipmi

import (
	"encoding/binary"
	"slices"

	"trefoil/vbmc/ipmi/sdrec"
	"trefoil/vbmc/ipmi/wire"
)

// deviceSupport is the additional device support of Get Device ID (20.1): chassis,
// FRU, SEL and SDR repository, sensors.
const deviceSupport = 0x80 | 0x08 | 0x04 | 0x02 | 0x01

// sdrChanged is when the records were last changed in this source. Clients keep the
// repository and look only at this: change it with the records.
const sdrChanged = 1795816800 // 2026-11-27 22:00 UTC

// sdrCommands are the SDR repository commands of Storage (section 33). Records are
// part of the program: none can be added or deleted.
func sdrCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Storage, 0x20): {name: "Get SDR Repository Info", priv: privUser, run: sdrInfo},
		key(wire.Storage, 0x21): {name: "Get SDR Repository Allocation Info", priv: privUser, run: sdrAllocation},
		key(wire.Storage, 0x22): {name: "Reserve SDR Repository", priv: privUser, run: reserveSDR},
		key(wire.Storage, 0x23): {name: "Get SDR", priv: privUser, min: 6, max: 6, run: getSDR},
		key(wire.Storage, 0x28): {name: "Get SDR Repository Time", priv: privUser, run: getSELTime}, // one clock
		key(wire.Storage, 0x29): {name: "Set SDR Repository Time", priv: privOperator, min: 4, max: 4, once: true, run: setSELTime},
	}
}

// repository is all records; the place of a record plus one is its id.
func repository() [][]byte {
	all := [][]byte{
		sdrec.MCLocator(1, deviceSupport, "Virtual BMC"),
		sdrec.FRULocator(2, 0, sdrec.EntityBoard, "Virtual Machine"),
	}
	for _, a := range analogSensors() {
		all = append(all, a.Record(uint16(len(all)+1)))
	}
	for _, d := range discreteSensors() {
		all = append(all, d.Record(uint16(len(all)+1)))
	}
	return all
}

// sensorRecord is the id of an analog sensor's record.
func sensorRecord(number byte) (id uint16, ok bool) {
	i := slices.IndexFunc(analogSensors(), func(a sdrec.Analog) bool { return a.Number == number })
	return uint16(i + 3), i >= 0 // after the two locators
}

// sdrInfo (33.9): no room for more; reserve and allocation info are there.
func sdrInfo(*BMC, request) (byte, []byte) {
	d := binary.LittleEndian.AppendUint16([]byte{0x51}, uint16(len(repository())))
	d = append(d, 0, 0)
	d = binary.LittleEndian.AppendUint32(d, sdrChanged)
	d = stampOrNone(d, 0)
	return ccOK, append(d, 0x03)
}

// sdrAllocation (33.10): units of 64 bytes, none free.
func sdrAllocation(*BMC, request) (byte, []byte) {
	n := len(repository())
	return ccOK, []byte{byte(n), byte(n >> 8), 64, 0, 0, 0, 0, 0, 1}
}

// reserveSDR (33.11). As records never change, a reservation lasts until the next.
func reserveSDR(b *BMC, _ request) (byte, []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := nextReservation(b.parts.sensors.reservation)
	b.parts.sensors.reservation = n
	return ccOK, binary.LittleEndian.AppendUint16(nil, n)
}

// getSDR (33.12): only a read from the middle needs a reservation.
func getSDR(b *BMC, r request) (byte, []byte) {
	var valid bool
	b.locked(func() { valid = reserved(r.data, b.parts.sensors.reservation) })
	if r.data[4] != 0 && !valid {
		return ccNoReservation, nil
	}
	all := repository()
	id := int(binary.LittleEndian.Uint16(r.data[2:]))
	switch {
	case id == 0:
		id = 1
	case id == 0xffff:
		id = len(all)
	case id > len(all):
		return ccNoRecord, nil
	}
	part, ok := slice(all[id-1], r.data[4], r.data[5])
	if !ok {
		return ccOutOfRange, nil
	}
	next := uint16(id + 1)
	if id == len(all) {
		next = 0xffff
	}
	return ccOK, append(binary.LittleEndian.AppendUint16(nil, next), part...)
}
