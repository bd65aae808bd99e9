package model

import (
	"testing"
	"time"

	"trefoil/vbmc/domain"
)

func TestReading(t *testing.T) {
	start := time.Unix(1e9, 0)
	at := func(sec, cpu int) domain.Usage {
		return domain.Usage{
			At: start.Add(time.Duration(sec) * time.Second), Started: start, CPU: time.Duration(cpu) * time.Second,
			VCPUs: 4, MemoryMax: 4 << 30, MemoryUsed: 1 << 30,
		}
	}
	other := at(50, 40)
	other.Started = start.Add(-time.Hour)
	for name, tc := range map[string]struct {
		u, prev domain.Usage
		want    Sample
	}{
		"off":                      {domain.Usage{At: start}, at(1, 1), Sample{Off: true}},
		"idle":                     {at(20, 5), at(10, 5), Sample{Watts: 60, TempC: 35, FanRPM: 2400, MemPercent: 25}},
		"two of four busy":         {at(20, 25), at(10, 5), Sample{Watts: 84, TempC: 55, FanRPM: 4800, CPUPercent: 50, MemPercent: 25}},
		"all busy":                 {at(20, 45), at(10, 5), Sample{Watts: 108, TempC: 75, FanRPM: 7200, CPUPercent: 100, MemPercent: 25}},
		"more than there is":       {at(20, 99), at(10, 5), Sample{Watts: 108, TempC: 75, FanRPM: 7200, CPUPercent: 100, MemPercent: 25}},
		"first look":               {at(100, 100), domain.Usage{}, Sample{Watts: 72, TempC: 45, FanRPM: 3600, CPUPercent: 25, MemPercent: 25}},
		"another run before":       {at(100, 100), other, Sample{Watts: 72, TempC: 45, FanRPM: 3600, CPUPercent: 25, MemPercent: 25}},
		"clock that stands still":  {at(0, 0), at(0, 0), Sample{Watts: 60, TempC: 35, FanRPM: 2400, MemPercent: 25}},
		"counter that went back":   {at(20, 5), at(10, 9), Sample{Watts: 63, TempC: 37.5, FanRPM: 2700, CPUPercent: 6.25, MemPercent: 25}},
		"machine without counters": {domain.Usage{At: start, Started: start}, domain.Usage{}, Sample{Watts: 60, TempC: 35, FanRPM: 2400}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Reading(tc.u, tc.prev); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}
