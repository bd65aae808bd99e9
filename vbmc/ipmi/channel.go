package ipmi

import "trefoil/vbmc/ipmi/wire"

// Channels (6.3).
const (
	ipmbChannel    = 0x00
	lanChannel     = 0x01
	currentChannel = 0x0e
	systemChannel  = 0x0f
)

// Completion codes of Set and Get Channel Access (22.22, 22.23).
const (
	ccSessionLess = 0x82 // channel without sessions
	ccAccessMode  = 0x83 // access mode is not supported
)

// alwaysAvailable is the one access mode: with no system interface, another would
// lock everybody out.
const alwaysAvailable = 0x02

// Flags of a channel's access.
const (
	noPEFAlerts      = 0x20
	noMessageAuth    = 0x10
	noUserLevelAuth  = 0x08
	accessModeMask   = 0x07
	channelLimitMask = 0x0f
)

// channelAccess is what may be set for the LAN channel: until the next restart of the
// BMC, and from then on.
type channelAccess struct{ now, kept access }

// access has a limit, the highest privilege of a session, that is below ADMIN only until
// the BMC starts anew: boards have a system interface by which a lasting one is taken
// back, and here nobody could.
type access struct {
	NoPEF bool
	limit byte
}

// channelCommands are the channel commands of App (22.22 to 22.24).
func channelCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.App, 0x40): {name: "Set Channel Access", priv: privAdmin, min: 3, max: 3, waits: true, run: setChannelAccess},
		key(wire.App, 0x41): {name: "Get Channel Access", priv: privUser, min: 2, max: 2, run: getChannelAccess},
		key(wire.App, 0x42): {name: "Get Channel Info", priv: privUser, min: 1, max: 1, run: channelInfo},
	}
}

func (b *BMC) loadChannel() error {
	a := struct {
		access
		Limit byte // lasting, of versions before 2026-11-27
	}{access: access{NoPEF: true, limit: privAdmin}}
	if _, err := b.recall("channel", &a); err != nil {
		return err
	}
	b.parts.channel = channelAccess{now: a.access, kept: a.access}
	if a.Limit >= privCallback && a.Limit < privAdmin {
		b.log.Warn("the lasting channel limit of an earlier version holds no more: up to ADMIN may log in again", "limit", a.Limit)
		b.keep("channel", func() any { return b.parts.channel.kept }) // told once
	}
	return nil
}

// channelNumber reads a channel number; "the current one" is LAN.
func channelNumber(data byte) (ch byte, ok bool) {
	switch ch = data & 0x0f; ch {
	case currentChannel:
		return lanChannel, true
	case ipmbChannel, lanChannel, systemChannel:
		return ch, true
	}
	return ch, false
}

// onLAN is ccOK for the LAN channel, and else what access commands answer.
func onLAN(data byte) byte {
	switch ch, ok := channelNumber(data); {
	case !ok:
		return ccDataInvalid
	case ch != lanChannel:
		return ccSessionLess
	}
	return ccOK
}

// setChannelAccess (22.22). Authentication of every message cannot be switched off.
// Bits 7:6 of each byte say where it goes: 0 nowhere, 1 lasting, 2 until a restart.
func setChannelAccess(b *BMC, r request) (byte, []byte) {
	if cc := onLAN(r.data[0]); cc != ccOK {
		return cc, nil
	}
	flags, limit := r.data[1], r.data[2]&channelLimitMask
	setFlags, setLimit := flags>>6, r.data[2]>>6
	switch {
	case setFlags > 2 || setLimit > 2:
		return ccDataInvalid, nil
	case setFlags != 0 && flags&accessModeMask != alwaysAvailable:
		return ccAccessMode, nil
	case setFlags != 0 && flags&(noMessageAuth|noUserLevelAuth) != 0:
		return ccDataInvalid, nil
	case setLimit != 0 && (limit < privCallback || limit > privAdmin):
		return ccDataInvalid, nil
	case setLimit == 1 && limit < privAdmin:
		b.log.Warn("a lasting channel limit below ADMIN is refused: nobody could take it back", "limit", limit, "from", r.src)
		return ccDataInvalid, nil
	}
	b.locked(func() {
		c := &b.parts.channel
		places := [...]*access{1: &c.kept, 2: &c.now}
		if setFlags != 0 {
			places[setFlags].NoPEF = flags&noPEFAlerts != 0
		}
		if setLimit != 0 {
			places[setLimit].limit = limit
		}
	})
	if setFlags == 1 || setLimit == 1 {
		b.keep("channel", func() any { return b.parts.channel.kept })
	}
	return ccOK, nil
}

// getChannelAccess (22.23) returns the lasting or the present settings.
func getChannelAccess(b *BMC, r request) (byte, []byte) {
	if cc := onLAN(r.data[0]); cc != ccOK {
		return cc, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var a access
	switch r.data[1] >> 6 {
	case 1:
		a = b.parts.channel.kept
	case 2:
		a = b.parts.channel.now
	default:
		return ccDataInvalid, nil
	}
	flags := byte(alwaysAvailable)
	if a.NoPEF {
		flags |= noPEFAlerts
	}
	return ccOK, []byte{flags, a.limit}
}

// channelInfo describes a channel (22.24). FreeIPMI's bmc-info prints uninitialised
// memory when this is refused for every channel.
func channelInfo(b *BMC, r request) (byte, []byte) {
	ch, ok := channelNumber(r.data[0])
	if !ok {
		return ccDataInvalid, nil
	}
	info := [9]byte{ch, 0, 0x01, 0, 0xf2, 0x1b, 0x00} // IPMB-1.0 messages; IPMI forum
	switch ch {
	case ipmbChannel:
		info[1] = 0x01 // IPMB
	case lanChannel:
		info[1] = 0x04 // 802.3 LAN
		b.mu.Lock()
		defer b.mu.Unlock()
		b.sessions.sweep(b.now())
		info[3] = 0x80 | byte(min(b.sessions.active(), 0x3f)) // many sessions
	case systemChannel:
		info[1], info[2] = 0x0c, 0x05 // system interface, KCS
		info[7], info[8] = 0xff, 0xff // no interrupts
	}
	return ccOK, info[:]
}
