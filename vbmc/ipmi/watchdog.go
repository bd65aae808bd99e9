package ipmi

import "trefoil/vbmc/domain"

// watchdog is the BMC watchdog timer.
type watchdog struct{}

// watchdogCommands are the watchdog timer commands of App (section 27).
func watchdogCommands() map[uint16]command { return nil }

// watchdogEvent takes an event of the machine; b.mu is not held.
func (b *BMC) watchdogEvent(domain.Event) {}

// stopWatchdog ends the timer without its action. b.mu is held.
func (b *BMC) stopWatchdog() {}
