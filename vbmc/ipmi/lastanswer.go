package ipmi

import (
	"bytes"
	"slices"
	"time"

	"trefoil/vbmc/ipmi/wire"
)

// maxEnded bounds the last answers that are kept.
const maxEnded = 16

// lastAnswer is a session that one of its own commands ended, as Close Session does, with
// the answer to that. It may have been lost, and who asks again is no stranger.
type lastAnswer struct {
	s *session
	a *answer
}

// keepLastAnswer keeps the answer of a session that has ended for as long as a repeated
// request is one. b.mu is held.
func (b *BMC) keepLastAnswer(s *session, a *answer) {
	if b.closed {
		return
	}
	if len(b.lastAnswers) == 0 {
		b.after(repeatTime, b.forgetEnded)
	}
	if len(b.lastAnswers) == maxEnded {
		b.lastAnswers = slices.Delete(b.lastAnswers, 0, 1)
	}
	b.lastAnswers = append(b.lastAnswers, lastAnswer{s, a})
}

// forgetEnded drops the answers that are too old to be asked for.
func (b *BMC) forgetEnded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.lastAnswers = slices.DeleteFunc(b.lastAnswers, func(l lastAnswer) bool { return now.Sub(l.a.at) >= repeatTime })
	switch {
	case len(b.lastAnswers) == 0:
		b.lastAnswers = nil
	case !b.closed:
		b.after(repeatTime, b.forgetEnded)
	}
}

// answerEnded answers the repeated last request of a session that it has ended; nothing
// else of such a session is heard. b.mu is held.
func (b *BMC) answerEnded(p wire.V20, now time.Time, reply func([]byte)) bool {
	for _, l := range b.lastAnswers {
		if l.s.ex.ManagedID != p.SessionID || p.Type != wire.PayloadIPMI || now.Sub(l.a.at) >= repeatTime {
			continue
		}
		body, err := l.s.keys.Open(p)
		if err != nil || !bytes.Equal(body, l.a.message) {
			continue
		}
		switch {
		case p.Sequence == l.a.seq:
			reply(l.a.packet)
			return true
		case l.s.window.take(p.Sequence):
			reply(b.sealAs(l.s, wire.PayloadIPMI, l.a.reply))
			return true
		}
	}
	return false
}
