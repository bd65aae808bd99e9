package ipmi

import (
	"encoding/binary"
	"time"

	"trefoil/vbmc/console"
	"trefoil/vbmc/ipmi/sol"
	"trefoil/vbmc/ipmi/wire"
)

// Completion codes of the SOL configuration commands (26.2, 26.3).
const (
	ccSOLParamUnknown = 0x80
	ccSOLReadOnly     = 0x82
)

// Bits of SOL parameter 2.
const (
	forceEncryption     = 0x80
	forceAuthentication = 0x40
)

const solParamRevision = 0x11

// solParams are the SOL configuration parameters that can be set (table 26-5), in
// the form of their bytes, and the users that may not have SOL.
type solParams struct {
	Enabled         bool
	Auth            byte // 2: force bits and privilege level
	Accumulate      byte // 3: in 5 ms
	Threshold       byte // 3: characters
	RetryCount      byte // 4
	RetryInterval   byte // 4: in 10 ms
	BitRate         byte // 5
	VolatileBitRate byte // 6
	Denied          map[byte]bool
}

func defaultSOLParams() solParams {
	return solParams{
		Enabled: true, Auth: forceEncryption | forceAuthentication | privOperator,
		Accumulate: 4, Threshold: 128, RetryCount: 7, RetryInterval: 50,
		BitRate: 0x0a, VolatileBitRate: 0x0a, // 115,200 bit/s
	}
}

func (p solParams) privilege() byte { return p.Auth & 0x0f }

// port is how a SOL port is to send, and where it types.
func (p solParams) port(hub *console.Hub) sol.Config {
	return sol.Config{
		Size:       solPayloadSize - 4,
		Accumulate: time.Duration(p.Accumulate) * 5 * time.Millisecond, Threshold: int(p.Threshold),
		Retries: int(p.RetryCount), Interval: time.Duration(p.RetryInterval) * 10 * time.Millisecond,
		Accept: func(typed []byte) (n int, status byte) {
			switch now, soon := hub.Typable(); {
			case now:
				return hub.Write(typed), 0
			case soon: // it is to come again, as when the machine does not read
				return 0, 0
			}
			return 0, sol.StatusUnavailable // the machine is off, its console is output only, or somebody else has it
		},
		FlushInbound: hub.FlushTyped,
	}
}

// solCommands are the SOL configuration commands of Transport (section 26).
func solCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.Transport, 0x21): {name: "Set SOL Configuration Parameters", priv: privAdmin, min: 2, max: 4, waits: true, run: setSOLParam},
		key(wire.Transport, 0x22): {name: "Get SOL Configuration Parameters", priv: privUser, min: 4, max: 4, run: getSOLParam},
	}
}

// getSOLParam reads a parameter (26.3).
func getSOLParam(b *BMC, r request) (byte, []byte) {
	if !solChannel(r.data[0]) {
		return ccDataInvalid, nil
	}
	if r.data[0]&0x80 != 0 {
		return ccOK, []byte{solParamRevision}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.parts.sol.param(r.data[1], b.now())
	if out == nil {
		return ccSOLParamUnknown, nil
	}
	return ccOK, append([]byte{solParamRevision}, out...)
}

// param returns a parameter's bytes; nil: there is no such one.
func (st *solState) param(n byte, now time.Time) []byte {
	p := &st.p
	switch n {
	case 0:
		return []byte{st.setting.get(now)}
	case 1:
		if p.Enabled {
			return []byte{1}
		}
		return []byte{0}
	case 2:
		return []byte{p.Auth}
	case 3:
		return []byte{p.Accumulate, p.Threshold}
	case 4:
		return []byte{p.RetryCount, p.RetryInterval}
	case 5:
		return []byte{p.BitRate}
	case 6:
		return []byte{p.VolatileBitRate}
	case 7:
		return []byte{lanChannel}
	case 8:
		return binary.LittleEndian.AppendUint16(nil, st.port)
	}
	return nil
}

// setSOLParam writes a parameter (26.2). What is active goes on as it began.
func setSOLParam(b *BMC, r request) (byte, []byte) {
	if !solChannel(r.data[0]) {
		return ccDataInvalid, nil
	}
	var cc byte
	b.locked(func() { cc = b.parts.sol.setParam(r, b.now()) })
	if cc == ccOK && r.data[1] != 0 {
		b.keepSOL()
	}
	return cc, nil
}

// setParam checks and takes a parameter.
func (st *solState) setParam(r request, now time.Time) byte {
	n, v, p := r.data[1], r.data[2:], &st.p
	switch old := st.param(n, now); {
	case old == nil:
		return ccSOLParamUnknown
	case n > 6:
		return ccSOLReadOnly
	case len(v) != len(old):
		return ccLength
	}
	switch n {
	case 0:
		return st.setting.set(v[0]&3, r.session, now)
	case 1:
		p.Enabled = v[0]&1 != 0
	case 2:
		if l := v[0] & 0x0f; l < privUser || l > privAdmin {
			return ccDataInvalid
		}
		p.Auth = v[0] & (forceEncryption | forceAuthentication | 0x0f)
	case 3:
		if v[0] == 0 { // the interval counts from 1
			return ccDataInvalid
		}
		p.Accumulate, p.Threshold = v[0], v[1]
	case 4:
		p.RetryCount, p.RetryInterval = v[0]&7, v[1]
	default:
		return p.setRate(n, v[0]&0x0f)
	}
	return ccOK
}

// setRate keeps a bit rate that the specification knows; a virtual line has none.
func (p *solParams) setRate(n, v byte) byte {
	if v != 0 && (v < 6 || v > 0x0a) {
		return ccDataInvalid
	}
	if n == 5 {
		p.BitRate = v
	} else {
		p.VolatileBitRate = v
	}
	return ccOK
}
