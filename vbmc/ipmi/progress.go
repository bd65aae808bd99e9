package ipmi

import (
	"time"

	"trefoil/vbmc/domain"
)

// progressTime is how long "set in progress" holds. The specification names no time; a
// minute is what it gives boot flags, and more than any client takes.
const progressTime = bootFlagsTime

// progress is "set in progress", parameter 0 of LAN, SOL, system info and boot options: a
// client says that it is setting parameters, so that others keep off. It ends with its
// session, after progressTime, and as tables 23-4 and 26-5 want it when the machine is
// reset or goes down. There is no "commit write": everything is in force at once.
type progress struct {
	on bool
	by *session // nil: nobody's
	at time.Time
}

// get is the parameter's value.
func (p *progress) get(now time.Time) byte {
	if p.on && (now.Sub(p.at) >= progressTime || p.by != nil && p.by.over(now)) {
		*p = progress{}
	}
	if p.on {
		return 1
	}
	return 0
}

// set writes the parameter.
func (p *progress) set(v byte, by *session, now time.Time) byte {
	switch {
	case v > 1:
		return ccDataInvalid
	case v == 1 && p.get(now) == 1: // whoever it is: the writer is to see that it was claimed
		return ccSetInProgress
	}
	*p = progress{}
	if v == 1 {
		*p = progress{on: true, by: by, at: now}
	}
	return ccOK
}

// endProgress ends all that are being set. b.mu is held.
func (b *BMC) endProgress() {
	for _, p := range []*progress{&b.boot.setting, &b.parts.lan.setting, &b.parts.sol.setting, &b.parts.sysinfo.setting} {
		*p = progress{}
	}
}

// progressEvent takes an event of the machine; b.mu is not held.
func (b *BMC) progressEvent(e domain.Event) {
	switch e.Kind {
	case domain.Stopped, domain.ShutDown, domain.Crashed, domain.Rebooted, domain.Gone:
		b.locked(b.endProgress)
	}
}
