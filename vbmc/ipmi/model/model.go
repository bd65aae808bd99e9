// Package model makes the readings of a virtual machine's sensors from what it
// really consumed: processor time and memory. A virtual machine has no fan and no
// thermometer, but its load is real, so that what watches such sensors sees load as
// it would on hardware.
package model

import (
	"time"

	"trefoil/vbmc/domain"
)

// The machine that is modelled: what it takes with nothing to do and under load.
const (
	idleWatts    = 60
	wattsPerVCPU = 12 // of a processor that is busy
	idleTempC    = 35
	loadTempC    = 40 // added at full load
	idleFanRPM   = 2400
	loadFanRPM   = 4800
)

// Sample is one set of readings. Off: there are none but the power, which is 0.
type Sample struct {
	Off        bool
	Watts      float64
	TempC      float64
	FanRPM     float64
	CPUPercent float64 // of all processors
	MemPercent float64 // 0: not known
}

// Idle is a machine of which only is known that it runs.
func Idle() Sample {
	return Sample{Watts: idleWatts, TempC: idleTempC, FanRPM: idleFanRPM}
}

// Reading is the mean between two looks at a machine. A prev that is not of the same
// run gives the mean since the start.
func Reading(u, prev domain.Usage) Sample {
	if u.Started.IsZero() {
		return Sample{Off: true}
	}
	s := Idle()
	busy := Busy(u, prev)
	load := busy / float64(max(u.VCPUs, 1))
	s.Watts += wattsPerVCPU * busy
	s.TempC += loadTempC * load
	s.FanRPM += loadFanRPM * load
	s.CPUPercent = 100 * load
	if u.MemoryMax > 0 {
		s.MemPercent = min(100, 100*float64(u.MemoryUsed)/float64(u.MemoryMax))
	}
	return s
}

// Busy is how many processors were at work between two looks.
func Busy(u, prev domain.Usage) float64 {
	cpu, span := u.CPU-prev.CPU, u.At.Sub(prev.At)
	if !prev.Started.Equal(u.Started) || span <= 0 || cpu < 0 {
		cpu, span = u.CPU, u.At.Sub(u.Started)
	}
	if span < time.Millisecond || cpu < 0 {
		return 0
	}
	return min(float64(cpu)/float64(span), float64(max(u.VCPUs, 1)))
}
