package ipmi

import (
	"math"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi/model"
	"trefoil/vbmc/ipmi/sdrec"
)

// sensors are readings, thresholds, hysteresis and event enables.
type sensors struct {
	set         map[byte]sensorSettings // those that differ from the default; stored
	reservation uint16                  // of the SDR repository

	usage  domain.Usage // at the latest sample
	sample model.Sample
	at     time.Time     // of the sample
	state  map[byte]byte // thresholds that are crossed, by sensor; bits as in sdrec.Thresholds
	power  powerStats
}

// sensorSettings are what a client may set of one sensor.
type sensorSettings struct {
	Thresholds       [6]byte
	Positive         byte // hysteresis
	Negative         byte
	NoEvents         bool
	NoScanning       bool
	Assert, Deassert uint16 // events that are logged
}

// sampleEvery is the shortest time a mean load is taken over. A client that reads
// five sensors gets one sample and not five with the noise of milliseconds.
const sampleEvery = time.Second

// analogSensors have readings. What is measured is that of package model.
func analogSensors() []sdrec.Analog {
	return []sdrec.Analog{
		{
			Number: sensorTemperature, Type: typeTemperature, Entity: sdrec.EntityProcessor, Name: "CPU Temp",
			Unit: sdrec.UnitCelsius, Factor: 1, Nominal: 35, Low: 30, High: 75, Hysteresis: 2,
			Thresholds: sdrec.Thresholds{Mask: 0x38, Value: [6]byte{3: 80, 4: 90, 5: 100}},
		},
		{
			Number: sensorFan, Type: typeFan, Entity: sdrec.EntityFan, Name: "Fan",
			Unit: sdrec.UnitRPM, Factor: 60, Nominal: 40, Low: 40, High: 120, Hysteresis: 1,
			Thresholds: sdrec.Thresholds{Mask: 0x03, Value: [6]byte{0: 20, 1: 10}},
		},
		{
			Number: sensorWatts, Type: typeOtherUnits, Entity: sdrec.EntityPower, Name: "Power",
			Unit: sdrec.UnitWatts, Factor: 4, Nominal: 15, Low: 0, High: 250, Hysteresis: 1,
			Thresholds: sdrec.Thresholds{Mask: 0x18, Value: [6]byte{3: 252, 4: 254}},
		},
		{
			Number: sensorCPU, Type: typeOtherUnits, Entity: sdrec.EntityProcessor, Name: "CPU Load",
			Units1: sdrec.Percent, Factor: 1, High: 100,
		},
		{
			Number: sensorMemory, Type: typeOtherUnits, Entity: sdrec.EntityMemory, Name: "Memory Used",
			Units1: sdrec.Percent, Factor: 1, High: 100,
		},
	}
}

// discreteSensors have states. Boot and logins are moments and only in the log.
func discreteSensors() []sdrec.Discrete {
	return []sdrec.Discrete{
		{Number: sensorPowerUnit, Type: typePowerUnit, Entity: sdrec.EntityPower, Name: "Power Unit", States: 1<<powerUnitOff | 1<<powerUnitNoResponse | 1<<powerUnitFailure},
		{Number: sensorWatchdog, Type: typeWatchdog2, Entity: sdrec.EntityManager, Name: "Watchdog", EventOnly: true},
		{Number: sensorSystemBoot, Type: typeSystemBoot, Entity: sdrec.EntityFirmware, Name: "System Boot", EventOnly: true},
		{Number: sensorSessionAudit, Type: typeSessionAudit, Entity: sdrec.EntityManager, Name: "Session Audit", EventOnly: true},
		{Number: sensorHypervisor, Type: typeManagement, Entity: sdrec.EntityManager, Name: "Hypervisor", States: 1<<healthSensors | 1<<healthController},
		{Number: sensorSEL, Type: typeSEL, Entity: sdrec.EntityManager, Name: "Event Log", States: 1<<selCleared | 1<<selAlmostFull},
		{Number: sensorACPI, Type: typeACPI, Entity: sdrec.EntitySystem, Name: "ACPI State", States: 1<<acpiWorking | 1<<acpiSoftOff},
		{Number: sensorSystemEvent, Type: typeSystemEvent, Entity: sdrec.EntityFirmware, Name: "System Event", EventOnly: true},
	}
}

func findAnalog(number byte) (sdrec.Analog, bool) {
	for _, a := range analogSensors() {
		if a.Number == number {
			return a, true
		}
	}
	return sdrec.Analog{}, false
}

// findDiscrete finds a sensor that can be read.
func findDiscrete(number byte) (sdrec.Discrete, bool) {
	for _, d := range discreteSensors() {
		if d.Number == number && !d.EventOnly {
			return d, true
		}
	}
	return sdrec.Discrete{}, false
}

func (b *BMC) loadSensors() error {
	_, err := b.recall("sensors", &b.parts.sensors.set)
	return err
}

// settings are those of a sensor. b.mu is held.
func (s *sensors) settings(a sdrec.Analog) sensorSettings {
	if set, ok := s.set[a.Number]; ok {
		return set
	}
	return sensorSettings{
		Thresholds: a.Thresholds.Value, Positive: a.Hysteresis, Negative: a.Hysteresis,
		Assert: a.EventMask(), Deassert: a.EventMask(),
	}
}

// changeSettings changes and stores the settings of a sensor. b.mu is not held.
func (b *BMC) changeSettings(a sdrec.Analog, f func(*sensorSettings)) {
	s := &b.parts.sensors
	b.locked(func() {
		set := s.settings(a)
		f(&set)
		if s.set == nil {
			s.set = map[byte]sensorSettings{}
		}
		s.set[a.Number] = set
	})
	b.keep("sensors", func() any { return s.set })
}

// measure takes readings of this moment. Crossed thresholds and the power limit get
// their entry in the log; as nobody is woken for it, that is when someone looks, at a
// sensor or into the log. b.mu is not held.
func (b *BMC) measure() (model.Sample, error) {
	usage, sample, err := b.look()
	if err != nil {
		return model.Sample{}, err
	}
	var told []entry
	b.locked(func() {
		s := &b.parts.sensors
		sample = s.take(usage, sample, b.now())
		told = append(s.crossings(sample), b.limitCrossing(sample)...)
	})
	for _, e := range told {
		b.record(e.kind, e.sensor, e.event, e.data)
	}
	return sample, nil
}

// look asks the machine. Without a Meter, and while a start is not yet seen by it, a
// running machine is idle.
func (b *BMC) look() (domain.Usage, model.Sample, error) {
	on, err := b.machine.Power()
	if err != nil || !on {
		return domain.Usage{}, model.Sample{Off: true}, err
	}
	meter, ok := b.machine.(domain.Meter)
	if !ok {
		return domain.Usage{}, model.Idle(), nil
	}
	u, err := meter.Usage()
	return u, model.Idle(), err
}

// take makes the sample of a look; a look soon after another gives the same again.
func (s *sensors) take(u domain.Usage, without model.Sample, now time.Time) model.Sample {
	sameRun := !u.Started.IsZero() && u.Started.Equal(s.usage.Started)
	switch {
	case sameRun && u.At.Sub(s.usage.At) < sampleEvery:
		return s.sample
	case u.Started.IsZero():
		s.sample = without
	default:
		s.sample = model.Reading(u, s.usage)
	}
	s.usage = u
	s.power.add(s.sample.Watts, s.at, now)
	s.at = now
	return s.sample
}

// entry is an event to be logged when b.mu is free.
type entry struct {
	kind, sensor, event byte
	data                [3]byte
}

// crossings compares a sample with the thresholds and returns what changed.
func (s *sensors) crossings(sample model.Sample) []entry {
	if s.state == nil {
		s.state = map[byte]byte{}
	}
	var told []entry
	for _, a := range analogSensors() {
		set := s.settings(a)
		raw, ok := reading(a, sample)
		if !ok || set.NoScanning {
			delete(s.state, a.Number)
			continue
		}
		was := s.state[a.Number]
		is := crossed(a.Thresholds.Mask, set, raw, was)
		if is == was {
			continue
		}
		s.state[a.Number] = is
		told = append(told, set.changes(a, raw, was, is)...)
	}
	return told
}

// changes makes the entries of thresholds that were crossed (29.7.1): the data are
// offset, reading and threshold.
func (set sensorSettings) changes(a sdrec.Analog, raw, was, is byte) []entry {
	const readingAndThreshold = 0x50
	var told []entry
	for i := range 6 {
		enabled, kind := set.Assert, byte(readingThreshold)
		if is>>i&1 == 0 {
			enabled, kind = set.Deassert, readingThreshold|deasserted
		}
		offset := sdrec.Offset(i)
		if (is^was)>>i&1 == 0 || set.NoEvents || enabled>>offset&1 == 0 {
			continue
		}
		told = append(told, entry{a.Type, a.Number, kind, [3]byte{readingAndThreshold | offset, raw, set.Thresholds[i]}})
	}
	return told
}

// crossed are the thresholds that a raw reading is at or beyond; one that was crossed
// stays so until the reading is back by more than the hysteresis.
func crossed(mask byte, set sensorSettings, raw, was byte) byte {
	var is byte
	for i := range 6 {
		if mask>>i&1 == 0 {
			continue
		}
		limit, at := int(set.Thresholds[i]), int(raw)
		held := was>>i&1 == 1
		var over bool
		if i < 3 {
			over = at <= limit || held && at <= limit+int(set.Positive)
		} else {
			over = at >= limit || held && at >= limit-int(set.Negative)
		}
		if over {
			is |= 1 << i
		}
	}
	return is
}

// reading is a sensor's raw value; not ok: there is none while the machine is off.
func reading(a sdrec.Analog, s model.Sample) (raw byte, ok bool) {
	var v float64
	switch a.Number {
	case sensorTemperature:
		v = s.TempC
	case sensorFan:
		v = s.FanRPM
	case sensorWatts:
		v = s.Watts
	case sensorCPU:
		v = s.CPUPercent
	case sensorMemory:
		v = s.MemPercent
	}
	v = math.Round(v / float64(a.Factor))
	return byte(max(0, min(v, 255))), !s.Off || a.Number == sensorWatts
}
