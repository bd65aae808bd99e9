package sol

import "time"

// MaxData is the most characters of a packet: their count must fit in a byte.
const MaxData = 255

// Config sets how a port sends (SOL configuration parameters 3 and 4, table 26-5).
type Config struct {
	Size       int           // characters of a packet, at most MaxData
	Accumulate time.Duration // characters wait that long for company
	Threshold  int           // unless there are so many
	Retries    int           // repetitions of an unanswered packet
	Interval   time.Duration // between them
	// Accept takes received characters and returns how many it had room for, and status
	// bits that tell why it did not take the others. It is called once for each
	// character that is taken, whatever the network repeats.
	Accept func([]byte) (n int, status byte)
	// FlushInbound drops what Accept took and nobody has read; nil: that does not happen
	// at this end.
	FlushInbound func()
}

// Result is what a received packet asks of the owner of a port.
type Result struct {
	Op     byte // operation or status bits, without those of a repeated packet
	Fresh  bool // the packet was not a repetition
	Answer bool // it answers the packet in flight, by an acknowledgement or a NACK
}

// Port is one end of an active SOL payload. It sends one packet at a time and the
// next when that is acknowledged (15.11). The owner serialises the calls and sends
// what Out returns.
type Port struct {
	c   Config
	out [][]byte

	waiting []byte    // characters not yet in a packet
	since   time.Time // the first of them came
	status  byte      // told in the next packet
	paused  bool      // by the far end

	seq    byte   // of the newest packet; 0: none was sent
	flight []byte // its characters
	flying bool   // it is not acknowledged
	op     byte   // of it
	tries  int
	due    time.Time // of its repetition, or of a packet after a NACK
	silent bool      // given up until the far end says something

	heard Packet // acknowledgement of the newest accepted packet; Ack 0: none
}

// NewPort makes a port.
func NewPort(c Config) *Port {
	c.Size = max(1, min(c.Size, MaxData))
	return &Port{c: c}
}

// Room is how many characters Send takes now. The owner leaves the others where
// they are, so that a slow line holds them up there.
func (p *Port) Room() int {
	if p.paused || p.silent {
		return 0
	}
	return max(0, p.c.Size-len(p.waiting))
}

// Send takes up to Room characters.
func (p *Port) Send(b []byte, now time.Time) {
	if len(p.waiting) == 0 {
		p.since = now
	}
	p.waiting = append(p.waiting, b...)
}

// Tell puts operation or status bits into the next packet.
func (p *Port) Tell(op byte) { p.status |= op }

// Out returns the packets that are to be sent now, and forgets them.
func (p *Port) Out(now time.Time) [][]byte {
	switch {
	case p.silent:
	case p.flying:
		p.repeat(now)
	case p.ready(now):
		p.launch(now)
	}
	out := p.out
	p.out = nil
	return out
}

// ready tells whether what waits goes out now.
func (p *Port) ready(now time.Time) bool {
	switch {
	case now.Before(p.due):
		return false
	case p.status != 0:
		return true
	case len(p.waiting) == 0 || p.paused:
		return false
	}
	return len(p.waiting) >= min(p.c.Threshold, p.c.Size) || now.Sub(p.since) >= p.c.Accumulate
}

func (p *Port) launch(now time.Time) {
	p.seq, p.flying, p.tries = next(p.seq), true, 0
	p.flight, p.op = nil, p.status
	if !p.paused {
		n := min(p.c.Size, len(p.waiting)) // more wait when the far end took a part only
		p.flight, p.waiting = p.waiting[:n:n], p.waiting[n:]
	}
	p.status, p.due = 0, now.Add(p.c.Interval)
	p.out = append(p.out, p.packet())
}

func (p *Port) packet() []byte {
	return Packet{Seq: p.seq, Op: p.op, Data: p.flight}.Append(nil)
}

// repeat sends the packet again when its time has come. After the last repetition
// the far end is not bothered any more, but the characters are kept.
func (p *Port) repeat(now time.Time) {
	if now.Before(p.due) {
		return
	}
	if p.tries >= p.c.Retries {
		p.silent = true
		return
	}
	p.tries++
	p.due = now.Add(p.c.Interval)
	p.out = append(p.out, p.packet())
}

// Next is when Out has to be called again, if nothing happens until then.
func (p *Port) Next() (time.Time, bool) {
	switch {
	case p.silent:
		return time.Time{}, false
	case p.flying || p.status != 0:
		return p.due, true
	case len(p.waiting) == 0 || p.paused:
		return time.Time{}, false
	}
	at := p.since.Add(p.c.Accumulate)
	if at.Before(p.due) {
		at = p.due
	}
	return at, true
}

// Receive takes a packet from the far end. Answers come from Out.
func (p *Port) Receive(body []byte, now time.Time) (Result, error) {
	k, err := Parse(body)
	if err != nil {
		return Result{}, err
	}
	if p.silent { // it is there again
		p.silent, p.tries, p.due = false, 0, now
	}
	answer := k.Ack != 0 && k.Ack == p.seq && p.flying
	if answer {
		p.acknowledged(k, now)
	}
	r := Result{Op: k.Op, Fresh: true}
	if k.Seq == 0 {
		p.flushInbound(k.Op)
	} else {
		r = p.characters(k)
	}
	r.Answer = answer
	return r, nil
}

// acknowledged takes the far end's answer to the packet in flight. What it did not
// accept goes into the next packet; after a NACK only when it had some time. When
// nothing was accepted the same packet comes again, under its number: the network
// may still hold a copy of it.
func (p *Port) acknowledged(k Packet, now time.Time) {
	n := min(int(k.Count), len(p.flight))
	if n == 0 && k.Op&NACK != 0 {
		p.tries, p.due = 0, now.Add(p.c.Interval)
		return
	}
	p.flying = false
	if rest := p.flight[n:]; len(rest) > 0 {
		p.waiting = append(rest[:len(rest):len(rest)], p.waiting...)
		p.since = now.Add(-p.c.Accumulate)
	}
	p.flight, p.due = nil, now
	if k.Op&NACK != 0 {
		p.due = now.Add(p.c.Interval)
	}
}

// characters takes those of a packet that is new and acknowledges it. One that was
// accepted before gets the same answer; an older one that the network held back is
// left out.
func (p *Port) characters(k Packet) Result {
	if p.heard.Ack != 0 {
		switch d := ahead(p.heard.Ack, k.Seq); {
		case d == 0:
			p.out = append(p.out, p.heard.Append(nil))
			return Result{}
		case d > 7:
			return Result{}
		}
	}
	p.flushInbound(k.Op) // before the packet's own characters, which it does not mean
	n, status := 0, byte(0)
	if len(k.Data) > 0 {
		n, status = p.c.Accept(k.Data[:min(len(k.Data), MaxData)])
		n = max(0, min(n, len(k.Data)))
	}
	answer := Packet{Ack: k.Seq, Count: byte(n)}
	if n < len(k.Data) {
		answer.Op = NACK | status
	}
	p.out = append(p.out, answer.Append(nil))
	if n == 0 && len(k.Data) > 0 {
		return Result{} // nothing of it counts, so that the same packet may come again
	}
	p.heard = answer
	return Result{Op: k.Op, Fresh: true}
}

// Idle tells whether all that was sent and told has been acknowledged.
func (p *Port) Idle() bool { return !p.flying && p.status == 0 && len(p.waiting) == 0 }

// SetPaused stops characters of this end, or lets them go on.
func (p *Port) SetPaused(on bool) { p.paused = on }

func (p *Port) flushInbound(op byte) {
	if op&OpFlushInbound != 0 && p.c.FlushInbound != nil {
		p.c.FlushInbound()
	}
}

// Flush drops the characters that wait.
func (p *Port) Flush() { p.waiting = nil }

// Discard drops the packet in flight and the characters that wait: the far end said that
// it takes none, so that repeating them would only hold up who types.
func (p *Port) Discard() { p.waiting, p.flight, p.flying = nil, nil, false }

// SetSize changes the most characters of a packet: the far end told its limit.
func (p *Port) SetSize(n int) { p.c.Size = max(1, min(n, MaxData)) }
