package ipmi

// Sensor numbers of this BMC. They stand in SEL records that outlive a restart, so
// they never change their meaning.
const (
	sensorPowerUnit    = 0x01
	sensorWatchdog     = 0x02
	sensorSystemBoot   = 0x03
	sensorSessionAudit = 0x04
	sensorHypervisor   = 0x05
	sensorSEL          = 0x06
	sensorACPI         = 0x07
	sensorSystemEvent  = 0x08
	sensorTemperature  = 0x10
	sensorFan          = 0x11
	sensorWatts        = 0x12
	sensorCPU          = 0x13
	sensorMemory       = 0x14
)

// Sensor types (table 42-3).
const (
	typeTemperature  = 0x01
	typeFan          = 0x04
	typePowerUnit    = 0x09
	typeOtherUnits   = 0x0b // watts and percentages
	typeSEL          = 0x10
	typeSystemEvent  = 0x12
	typeSystemBoot   = 0x1d
	typeACPI         = 0x22
	typeWatchdog2    = 0x23
	typeManagement   = 0x28 // Management Subsystem Health: the hypervisor
	typeSessionAudit = 0x2a
)

// Event/reading types (table 42-1).
const (
	readingThreshold = 0x01
	readingSpecific  = 0x6f // discrete; offsets are those of the sensor type
)
