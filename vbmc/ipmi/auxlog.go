package ipmi

import (
	"bytes"
	"encoding/binary"
)

// machineCheck is the auxiliary log that there is; there are none of vendors.
const machineCheck = 0

// auxLog is what this BMC knows of a log that is kept elsewhere: whoever keeps it tells.
type auxLog struct {
	Stamp   uint32 // of its latest entry
	Entries uint32
}

// auxLogStatus (31.12).
func auxLogStatus(b *BMC, r request) (byte, []byte) {
	if r.data[0]&0x0f != machineCheck {
		return ccDataInvalid, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.parts.sel.kept.MachineCheck
	if l == nil {
		return ccOK, append(bytes.Repeat([]byte{0xff}, 4), 0, 0, 0, 0)
	}
	return ccOK, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, l.Stamp), l.Entries)
}

// setAuxLog is Set Auxiliary Log Status (31.13).
func setAuxLog(b *BMC, r request) (byte, []byte) {
	switch {
	case r.data[0]&0x0f != machineCheck:
		return ccDataInvalid, nil
	case len(r.data) != 9:
		return ccLength, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts.sel.kept.MachineCheck = &auxLog{binary.LittleEndian.Uint32(r.data[1:]), binary.LittleEndian.Uint32(r.data[5:])}
	b.selChanged()
	return ccOK, nil
}
