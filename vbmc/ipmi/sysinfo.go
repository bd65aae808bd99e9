package ipmi

import (
	"bytes"

	"trefoil/vbmc/ipmi/wire"
)

// Completion codes of the system info commands (22.14a, 22.14b).
const (
	ccInfoUnknown = 0x80
	ccInfoNoBlock = 0xc9
)

const (
	infoRevision = 0x11
	infoBlock    = 16 // bytes of a block
	infoBlocks   = 16 // of a parameter; the specification asks for four
)

// System info parameters (22.14a).
const (
	infoProgress   = 0
	infoFirmware   = 1
	infoSystemName = 2
	infoPrimaryOS  = 3
	infoOS         = 4 // the one that runs: forgotten with the BMC
)

// sysInfo are the System Info Parameters (22.14): texts in blocks of 16 bytes, of which
// the first begins with encoding and length. The writer's bytes come back as they are.
type sysInfo struct {
	Texts map[byte][]byte

	setting progress
	os      []byte
}

// sysInfoCommands are Set and Get System Info Parameters (22.14a, b).
func sysInfoCommands() map[uint16]command {
	return map[uint16]command{
		key(wire.App, 0x58): {name: "Set System Info Parameters", priv: privAdmin, min: 2, max: 2 + infoBlock, waits: true, run: setSysInfo},
		key(wire.App, 0x59): {name: "Get System Info Parameters", priv: privUser, min: 4, max: 4, run: getSysInfo},
	}
}

func (b *BMC) loadSysInfo() error {
	p := &b.parts.sysinfo
	_, err := b.recall("sysinfo", p)
	for n, text := range p.Texts {
		if n == infoOS || !isInfoText(n) || len(text) > infoBlock*infoBlocks {
			delete(p.Texts, n)
		}
	}
	return err
}

func isInfoText(n byte) bool { return n >= infoFirmware && n <= infoOS }

// text returns a parameter's blocks, one after another.
func (p *sysInfo) text(n byte) []byte {
	if n == infoOS {
		return p.os
	}
	return p.Texts[n]
}

// setBlock replaces a block. What is returned by text before is not changed: it may be
// on its way to the store.
func (p *sysInfo) setBlock(n, block byte, v []byte) {
	from := int(block) * infoBlock
	text := make([]byte, max(len(p.text(n)), from+infoBlock))
	copy(text, p.text(n))
	clear(text[from : from+infoBlock])
	copy(text[from:], v)
	switch {
	case n == infoOS:
		p.os = text
	case p.Texts == nil:
		p.Texts = map[byte][]byte{n: text}
	default:
		p.Texts[n] = text
	}
}

// setSysInfo writes a block of a parameter (22.14a).
func setSysInfo(b *BMC, r request) (byte, []byte) {
	n, p := r.data[0], &b.parts.sysinfo
	switch {
	case n > infoOS:
		return ccInfoUnknown, nil
	case n == infoProgress && len(r.data) != 2, n != infoProgress && len(r.data) < 3:
		return ccLength, nil
	case n != infoProgress && r.data[1] >= infoBlocks:
		return ccInfoNoBlock, nil
	}
	cc := byte(ccOK)
	b.locked(func() {
		if n == infoProgress {
			cc = p.setting.set(r.data[1]&3, r.session, b.now())
		} else {
			p.setBlock(n, r.data[1], r.data[2:])
		}
	})
	if n != infoProgress && n != infoOS {
		b.keep("sysinfo", func() any { return p })
	}
	return cc, nil
}

// getSysInfo reads a block of a parameter (22.14b). A system without a name of its own
// has the machine's.
func getSysInfo(b *BMC, r request) (byte, []byte) {
	if r.data[0]&0x80 != 0 {
		return ccOK, []byte{infoRevision}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n, block := r.data[1], r.data[2]
	if n == infoProgress {
		return ccOK, []byte{infoRevision, b.parts.sysinfo.setting.get(b.now())}
	}
	if !isInfoText(n) {
		return ccInfoUnknown, nil
	}
	text := b.parts.sysinfo.text(n)
	if text == nil && n == infoSystemName {
		text = infoText(b.name)
	}
	from := int(block) * infoBlock
	if from >= max(len(text), infoBlock) {
		return ccInfoNoBlock, nil
	}
	out := make([]byte, infoBlock)
	if from < len(text) {
		copy(out, text[from:])
	}
	return ccOK, append([]byte{infoRevision, block}, out...)
}

// infoText is a text with encoding and length before it: UTF-8 where ASCII does not do.
func infoText(s string) []byte {
	s = s[:min(len(s), infoBlock*infoBlocks-2)]
	encoding := byte(0)
	if bytes.ContainsFunc([]byte(s), func(c rune) bool { return c > '~' }) {
		encoding = 1
	}
	return append([]byte{encoding, byte(len(s))}, s...)
}
