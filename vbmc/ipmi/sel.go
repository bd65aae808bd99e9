package ipmi

import (
	"fmt"

	"trefoil/vbmc/domain"
)

// selLog is the System Event Log.
type selLog struct{}

// selCommands are the SEL commands of Storage (section 31).
func selCommands() map[uint16]command { return nil }

func (b *BMC) loadSEL() error { return nil }

// closeSEL writes what is not stored yet. b.mu is not held.
func (b *BMC) closeSEL() {}

// selEvent takes an event of the machine; b.mu is not held.
func (b *BMC) selEvent(domain.Event) {}

// record adds an event to the log: sensor type and number, event/reading type with
// the direction in bit 7, event data. b.mu is not held.
func (b *BMC) record(sensorType, number, eventType byte, data [3]byte) {
	b.log.Info("event", "sensorType", sensorType, "sensor", number, "eventType", eventType, "data", fmt.Sprintf("%x", data))
}
