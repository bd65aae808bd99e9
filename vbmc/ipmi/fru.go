package ipmi

import (
	"encoding/binary"
	"fmt"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/frudata"
	"trefoil/vbmc/ipmi/wire"
)

// fruSize is the size of the inventory area.
const fruSize = 1024

// fruRead is the most that one answer carries.
const fruRead = 128

// fruData is the FRU inventory of the machine.
type fruData struct {
	Data []byte // nil: nobody wrote, so it is made from what the machine is now
}

// fruCommands are the FRU inventory commands of Storage (section 34).
func fruCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Storage, 0x10): {name: "Get FRU Inventory Area Info", priv: privUser, min: 1, max: 1, run: fruInfo},
		key(wire.Storage, 0x11): {name: "Read FRU Data", priv: privUser, min: 4, max: 4, run: readFRU},
		key(wire.Storage, 0x12): {name: "Write FRU Data", priv: privOperator, min: 4, max: 255, waits: true, run: writeFRU},
	}
}

func (b *BMC) loadFRU() error {
	if _, err := b.recall("fru", &b.parts.fru); err != nil {
		return err
	}
	if n := len(b.parts.fru.Data); n != 0 && n != fruSize {
		b.log.Error("stored inventory has another size and is left out", "bytes", n)
		b.parts.fru.Data = nil
	}
	return nil
}

// inventory is the area as a client reads it. b.mu is not held.
func (b *BMC) inventory() []byte {
	var kept []byte
	b.locked(func() { kept = b.parts.fru.Data })
	if kept != nil {
		return kept
	}
	i := frudata.Info{Manufacturer: "Trefoil", Product: "Virtual Machine", Part: "vbmc", Version: "1.0"}
	if u, err := b.machine.UUID(); err == nil {
		i.Serial = fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	}
	if b.name != "" {
		i.Custom = append(i.Custom, "Name: "+b.name)
	}
	if m, ok := b.machine.(domain.Meter); ok {
		if u, err := m.Usage(); err == nil && u.VCPUs > 0 {
			i.Custom = append(i.Custom, fmt.Sprintf("Processors: %d", u.VCPUs), fmt.Sprintf("Memory: %d MiB", u.MemoryMax>>20))
		}
	}
	return frudata.Build(i, fruSize)
}

// fruInfo (34.1): accessed by bytes.
func fruInfo(_ *BMC, r request) (byte, []byte) {
	if r.data[0] != 0 {
		return ccNoRecord, nil
	}
	return ccOK, append(binary.LittleEndian.AppendUint16(nil, fruSize), 0)
}

// readFRU (34.2) returns what is left when more is asked: pyghmi gives up otherwise.
func readFRU(b *BMC, r request) (byte, []byte) {
	offset := int(binary.LittleEndian.Uint16(r.data[1:]))
	switch {
	case r.data[0] != 0:
		return ccNoRecord, nil
	case offset >= fruSize:
		return ccOutOfRange, nil
	}
	part := b.inventory()[offset:]
	part = part[:min(len(part), int(r.data[3]), fruRead)]
	return ccOK, append([]byte{byte(len(part))}, part...)
}

// writeFRU (34.3): any byte may be written, checksums are the client's.
func writeFRU(b *BMC, r request) (byte, []byte) {
	offset, data := int(binary.LittleEndian.Uint16(r.data[1:])), r.data[3:]
	switch {
	case r.data[0] != 0:
		return ccNoRecord, nil
	case offset+len(data) > fruSize:
		return ccOutOfRange, nil
	}
	made := b.inventory()
	b.locked(func() {
		if b.parts.fru.Data == nil {
			b.parts.fru.Data = made
		}
		next := append([]byte(nil), b.parts.fru.Data...) // a reader may hold the old one
		copy(next[offset:], data)
		b.parts.fru.Data = next
	})
	b.keep("fru", func() any { return b.parts.fru })
	return ccOK, []byte{byte(len(data))}
}
