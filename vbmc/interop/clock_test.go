//go:build e2e

package interop

import (
	"sync/atomic"
	"testing"
	"time"

	"trefoil/vbmc/domain"
)

// clock is a BMC's clock that goes when a test says so.
type clock struct{ seconds atomic.Int64 }

// now is 8 o'clock at first.
func (c *clock) now() time.Time { return time.Unix(1_800_000_000+c.seconds.Load(), 0) }

func (c *clock) wait(seconds int) { c.seconds.Add(int64(seconds)) }

// TestTimeOfSessions: one that asks nothing for 60 seconds is over, and the log tells why
// and when.
func TestTimeOfSessions(t *testing.T) {
	var c clock
	m, b := inMemoryAt(t, "127.0.0.1", c.now)
	w, client := b.tapped(t)
	for range 3 {
		c.wait(60)
		must(t, client, 1)
	}
	c.wait(61)
	ignored(t, w, client, "61 s after the one before")
	b.play(t, []row{{"raw 6 0x3d 0", `^ [0-9a-f]{2} 3f 01 02 `}}, "ipmitool", b.ipmitool("17")...) // nobody but this one
	b.play(t, freeipmiFlush(), "", b.freeipmi("17")...)
	b.play(t, []row{{"ipmi-sel -v", `08:04:00 \| Session Audit [^\n]*Session Deactivated [^\n]*deactivated by timeout\n`}}, "", b.freeipmi("17")...)
	expectOff(t, m)
}

// TestTimeOfBootFlags: an override for the next boot is valid for 60 seconds, unless parameter
// 3 says that it stays or it is for all boots.
func TestTimeOfBootFlags(t *testing.T) {
	var c clock
	m, b := inMemoryAt(t, "127.0.0.1", c.now)
	for _, s := range []struct {
		rows  []row
		waits int // seconds, behind the rows
	}{
		{[]row{{"raw 0 8 3 0", `^\s*$`}, {"raw 0 8 5 0xa0 4 0 0 0", `^\s*$`}}, 60},
		{[]row{{"raw 0 9 5 0 0", `^ 01 05 a0 04 00 00 00\s*$`}}, 1},
		{[]row{{"raw 0 9 5 0 0", `^ 01 05 20 04 00 00 00\s*$`}, {"power on", `Up/On`}}, 0},
		{[]row{{"raw 0 8 5 0xe0 8 0 0 0", `^\s*$`}}, 600},
		{[]row{{"raw 0 9 5 0 0", `^ 01 05 e0 08 00 00 00\s*$`}, {"power cycle", `Cycle`}}, 0},
		{[]row{{"raw 0 8 3 8", `^\s*$`}, {"raw 0 8 5 0xa0 4 0 0 0", `^\s*$`}}, 600},
		{[]row{{"raw 0 9 5 0 0", `^ 01 05 a0 04 00 00 00\s*$`}, {"power cycle", `Cycle`}}, 0},
		{[]row{{"raw 0 8 5 0 0 0 0 0", `^\s*$`}, {"power off", `Down/Off`}}, 0},
	} {
		b.play(t, s.rows, "ipmitool", b.ipmitool("17")...)
		c.wait(s.waits)
	}
	expectOff(t, m, domain.None, domain.Disk, domain.PXE)
}
