package sol

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func start() time.Time { return time.Unix(1_000_000, 0) }

// port makes a port that accepts everything into the returned buffer.
func port(c Config) (*Port, *bytes.Buffer) {
	var got bytes.Buffer
	if c.Accept == nil {
		c.Accept = func(b []byte) (int, byte) { got.Write(b); return len(b), 0 }
	}
	if c.Size == 0 {
		c.Size = 10
	}
	return NewPort(c), &got
}

func config() Config {
	return Config{Size: 10, Accumulate: 50 * time.Millisecond, Threshold: 5, Retries: 2, Interval: 100 * time.Millisecond}
}

func want(t *testing.T, got [][]byte, packets ...string) {
	t.Helper()
	if len(got) != len(packets) {
		t.Fatalf("%d packets %x, want %d", len(got), got, len(packets))
	}
	for i, w := range packets {
		if string(got[i]) != w {
			t.Errorf("packet %d is %q, want %q", i, got[i], w)
		}
	}
}

func TestCharactersWaitForCompany(t *testing.T) {
	p, _ := port(config())
	now := start()
	p.Send([]byte("abc"), now)
	want(t, p.Out(now))
	if at, ok := p.Next(); !ok || !at.Equal(now.Add(50*time.Millisecond)) {
		t.Errorf("next is %v, %v", at, ok)
	}
	want(t, p.Out(now.Add(50*time.Millisecond)), "\x01\x00\x00\x00abc")
	p.Send([]byte("defgh"), now)
	want(t, p.Out(now.Add(60*time.Millisecond))) // one packet at a time
	p.Receive([]byte{0, 1, 3, 0}, now)
	want(t, p.Out(now), "\x02\x00\x00\x00defgh") // the threshold is reached
}

func TestUnansweredPacketIsRepeatedAndThenKept(t *testing.T) {
	p, _ := port(config())
	now := start()
	p.Send([]byte("abcde"), now)
	packet := "\x01\x00\x00\x00abcde"
	want(t, p.Out(now), packet)
	for range 2 {
		want(t, p.Out(now))
		now = now.Add(100 * time.Millisecond)
		want(t, p.Out(now), packet)
	}
	now = now.Add(100 * time.Millisecond)
	want(t, p.Out(now))
	if _, ok := p.Next(); ok || p.Room() != 0 {
		t.Errorf("a port that gave up wants to go on")
	}
	p.Receive([]byte{0, 0, 0, 0}, now) // the far end is there again
	want(t, p.Out(now), packet)
}

func TestPartialAcceptance(t *testing.T) {
	p, _ := port(config())
	now := start()
	p.Send([]byte("abcdefgh"), now)
	p.Out(now)
	p.Receive([]byte{0, 1, 3, 0}, now)
	want(t, p.Out(now), "\x02\x00\x00\x00defgh")
	p.Receive([]byte{0, 2, 1, NACK}, now)
	want(t, p.Out(now)) // a NACK wants a pause
	want(t, p.Out(now.Add(100*time.Millisecond)), "\x03\x00\x00\x00efgh")
	p.Receive([]byte{0, 3, 200, 0}, now) // more than there was
	want(t, p.Out(now.Add(time.Second)))
}

func TestRepeatedInputIsTakenOnce(t *testing.T) {
	p, got := port(config())
	now := start()
	for _, row := range []struct {
		in, answer string
		fresh      bool
	}{
		{"\x01\x00\x00\x10ls", "\x00\x01\x02\x00", true},
		{"\x01\x00\x00\x10ls", "\x00\x01\x02\x00", false}, // a break is not taken twice either
		{"\x02\x00\x00\x00\r", "\x00\x02\x01\x00", true},
		{"\x01\x00\x00\x10ls", "", false}, // an old one comes late
	} {
		r, err := p.Receive([]byte(row.in), now)
		if err != nil || r.Fresh != row.fresh {
			t.Errorf("%q: fresh %v, %v", row.in, r.Fresh, err)
		}
		out := p.Out(now)
		if row.answer == "" {
			want(t, out)
		} else {
			want(t, out, row.answer)
		}
	}
	if got.String() != "ls\r" {
		t.Errorf("input is %q", got)
	}
}

func TestFullInputIsRefusedAndTakenLater(t *testing.T) {
	room := 2
	var got []byte
	c := config()
	c.Accept = func(b []byte) (int, byte) {
		n := min(room, len(b))
		room -= n
		got = append(got, b[:n]...)
		return n, 0
	}
	p, _ := port(c)
	p.Receive([]byte("\x01\x00\x00\x00abc"), start())
	p.Receive([]byte("\x02\x00\x00\x00c"), start())
	room = 5
	p.Receive([]byte("\x02\x00\x00\x00c"), start()) // the same number: nothing of it counted
	want(t, p.Out(start()), "\x00\x01\x02\x40", "\x00\x02\x00\x40", "\x00\x02\x01\x00")
	if string(got) != "abc" {
		t.Errorf("input is %q", got)
	}
}

// TestInboundFlush: it drops what was typed before, not what comes with it, and once.
func TestInboundFlush(t *testing.T) {
	var got []byte
	c := config()
	c.Accept = func(b []byte) (int, byte) { got = append(got, b...); return len(b), 0 }
	c.FlushInbound = func() { got = append(got, '!') }
	p, _ := port(c)
	for _, in := range []string{
		"\x01\x00\x00\x00abc", "\x02\x00\x00\x02de", "\x02\x00\x00\x02de", // repeated
		"\x00\x00\x00\x02",  // a packet without a number has no repetition
		"\x03\x00\x00\x01f", // the other direction
	} {
		if _, err := p.Receive([]byte(in), start()); err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != "abc!de!f" {
		t.Errorf("taken %q", got)
	}
	end, _ := port(config()) // an end that flushes nothing
	if _, err := end.Receive([]byte("\x01\x00\x00\x02abc"), start()); err != nil {
		t.Error(err)
	}
}

// TestRefusalTellsWhy: and what was refused may come again.
func TestRefusalTellsWhy(t *testing.T) {
	reads := false
	c := config()
	c.Accept = func(b []byte) (int, byte) {
		if !reads {
			return 0, StatusUnavailable
		}
		return len(b), StatusUnavailable
	}
	p, _ := port(c)
	p.Receive([]byte("\x01\x00\x00\x00abc"), start())
	want(t, p.Out(start()), "\x00\x01\x00\x60")
	reads = true
	p.Receive([]byte("\x01\x00\x00\x00abc"), start())
	want(t, p.Out(start()), "\x00\x01\x03\x00")
}

// TestDiscard: after it the port goes on with what is sent then.
func TestDiscard(t *testing.T) {
	p, _ := port(config())
	now := start()
	p.Send([]byte("abcdefgh"), now)
	want(t, p.Out(now), "\x01\x00\x00\x00abcdefgh")
	p.Send([]byte("ij"), now)
	p.Receive([]byte("\x00\x01\x00\x60"), now)
	p.Discard()
	now = now.Add(time.Hour)
	want(t, p.Out(now))
	p.Send([]byte("klmno"), now)
	want(t, p.Out(now), "\x02\x00\x00\x00klmno")
}

// TestAnswer: only what acknowledges the packet in flight answers it, and only once.
func TestAnswer(t *testing.T) {
	p, _ := port(config())
	p.Send([]byte("abcde"), start())
	p.Out(start())
	for _, row := range []struct {
		in     string
		answer bool
	}{
		{"\x00\x0f\x00\x60", false}, // an earlier one
		{"\x01\x00\x00\x00ls", false},
		{"\x00\x01\x00\x40", true}, // it is to come again
		{"\x02\x01\x05\x00ls", true},
		{"\x00\x01\x05\x00", false}, // repeated
	} {
		if r, err := p.Receive([]byte(row.in), start()); r.Answer != row.answer || err != nil {
			t.Errorf("%q: answers %v, %v", row.in, r.Answer, err)
		}
	}
}

func TestPauseHoldsCharactersBackNotStatus(t *testing.T) {
	p, _ := port(config())
	now := start()
	p.Send([]byte("abcdefg"), now)
	p.SetPaused(true)
	want(t, p.Out(now))
	p.Tell(StatusOverrun)
	want(t, p.Out(now), "\x01\x00\x00\x08")
	p.Receive([]byte{0, 1, 0, 0}, now)
	p.SetPaused(false)
	want(t, p.Out(now), "\x02\x00\x00\x00abcdefg")
}

// TestNothingIsLostOrDoubled lets two ports talk over a network that loses, doubles
// and holds packets back.
func TestNothingIsLostOrDoubled(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		now := start()
		c := config()
		c.Retries = 1 << 30
		var ports [2]*Port
		var heard [2]bytes.Buffer
		for i := range ports {
			full := rapid.IntRange(1, 20).Draw(r, "room")
			calls := 0
			c.Accept = func(b []byte) (int, byte) {
				calls++
				n := min(full, len(b))
				if calls%3 == 0 {
					n = 0
				}
				heard[i].Write(b[:n])
				return n, 0
			}
			ports[i] = NewPort(c)
		}
		text := [2][]byte{rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(r, "a"), rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(r, "b")}
		left := text
		var wires [2][][]byte // to port i
		said := func() bool { return heard[0].Len() >= len(text[1]) && heard[1].Len() >= len(text[0]) }
		for step := 0; step < 120 || step < 3000 && !said(); step++ {
			bad := step < 100
			for i, p := range ports {
				n := min(p.Room(), len(left[i]))
				p.Send(left[i][:n], now)
				left[i] = left[i][n:]
				wires[1-i] = append(wires[1-i], p.Out(now)...)
			}
			for i := range wires {
				wires[i] = deliver(r, ports[i], wires[i], now, bad)
			}
			now = now.Add(10 * time.Millisecond)
		}
		for i := range heard {
			if !bytes.Equal(heard[i].Bytes(), text[1-i]) {
				r.Fatalf("port %d heard %x, want %x", i, heard[i].Bytes(), text[1-i])
			}
		}
	})
}

// deliver hands the packets of a wire over and returns those that it holds back.
func deliver(r *rapid.T, p *Port, wire [][]byte, now time.Time, bad bool) (held [][]byte) {
	for _, k := range wire {
		fate := 0
		if bad {
			fate = rapid.IntRange(0, 5).Draw(r, "fate")
		}
		switch fate {
		case 1:
			continue // lost
		case 2:
			p.Receive(k, now)
		case 3:
			if len(held) < 3 {
				held = append(held, k)
				continue
			}
		}
		p.Receive(k, now)
	}
	return held
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00ls\r"))
	f.Add([]byte("\x00\x01\x02\x40"))
	f.Fuzz(func(t *testing.T, b []byte) {
		taken := 0
		c := config()
		c.Accept = func(b []byte) (int, byte) { taken += len(b); return len(b), 0 }
		p := NewPort(c)
		p.Send([]byte("abcdefgh"), start())
		p.Out(start())
		p.Receive(b, start())
		p.Receive(b, start())
		p.Out(start().Add(time.Hour))
		if taken > max(0, len(b)-headerLen) {
			t.Errorf("%d characters of a packet of %d bytes", taken, len(b))
		}
	})
}
