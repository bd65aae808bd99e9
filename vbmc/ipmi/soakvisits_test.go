package ipmi

import (
	"context"
	"encoding/binary"
	"time"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/fake"
	"trefoil/vbmc/ipmi/sol"
	"trefoil/vbmc/ipmi/wire"
)

// steady is a machine that notes neither operations nor what is typed: the fake's memory of
// them would grow.
type steady struct{ *fake.Machine }

type steadyConsole struct{ domain.Console }

func (steady) On(context.Context) error    { return nil }
func (steady) Cycle(context.Context) error { return nil }

func (m steady) OpenConsole(ctx context.Context, claim domain.Claim) (domain.Console, bool, error) {
	c, canWrite, err := m.Machine.OpenConsole(ctx, claim)
	return steadyConsole{c}, canWrite, err
}

func (steadyConsole) Write(p []byte) (int, error) { return len(p), nil }

// visitor is one client of a BMC that has many.
type visitor struct {
	*client
	m *fake.Machine
	i int
}

// visits are the ways in which clients come and go.
func visits() []func(*visitor) {
	return []func(*visitor){
		(*visitor).opens, (*visitor).goesBeforeItsProof, (*visitor).guesses, (*visitor).isUnknown, (*visitor).wantsNoPassword,
		(*visitor).asks, (*visitor).usesSOL, (*visitor).diesWithSOL, (*visitor).repeats, (*visitor).cycles, (*visitor).dies,
	}
}

// is reports an answer that is another than the visit is about.
func (v *visitor) is(what string, got, want byte) {
	v.t.Helper()
	if got != want {
		v.t.Fatalf("client %d, suite %d, from %s: %s: %#x, want %#x", v.i, v.suite.ID, v.src, what, got, want)
	}
}

// does sends a command that must succeed.
func (v *visitor) does(f wire.NetFn, cmd byte, data ...byte) {
	v.t.Helper()
	cc, _ := v.call(f, cmd, data...)
	v.is("command", cc, ccOK)
}

func (v *visitor) logsIn() {
	v.t.Helper()
	v.mustLogin(privAdmin)
	v.does(wire.App, 0x3b, privAdmin)
}

func (v *visitor) closes() {
	v.t.Helper()
	v.does(wire.App, 0x3c, binary.LittleEndian.AppendUint32(nil, v.ex.ManagedID)...)
}

// opens begins a session and goes.
func (v *visitor) opens() { v.is("open", byte(v.open()), byte(wire.StatusOK)) }

// goesBeforeItsProof goes when the BMC has answered RAKP 1.
func (v *visitor) goesBeforeItsProof() {
	v.opens()
	v.is("RAKP 1", v.setup(wire.PayloadRAKP1, v.rakp1Payload(privAdmin, "admin"))[1], byte(wire.StatusOK))
}

// guesses tries passwords until it is made to wait.
func (v *visitor) guesses() {
	for range failureBurst {
		v.is("wrong password", byte(v.login("admin", "wrong", privAdmin)), byte(wire.StatusBadCheckValue))
	}
	v.is("one more password", byte(v.login("admin", "wrong", privAdmin)), byte(wire.StatusNoResources))
}

func (v *visitor) isUnknown() {
	v.is("unknown user", byte(v.login("nobody", "secret", privAdmin)), byte(wire.StatusBadCheckValue))
}

// wantsNoPassword proposes suite 0.
func (v *visitor) wantsNoPassword() {
	v.suite = wire.Suite{}
	v.is("suite 0", byte(v.open()), byte(wire.StatusBadAuth))
}

func (v *visitor) asks() {
	v.logsIn()
	v.does(wire.Chassis, 1)
	v.closes()
}

// hasSOL takes SOL from whoever has it, types, and is shown what the machine prints.
func (v *visitor) hasSOL() {
	v.suite = []wire.Suite{wire.Suite17(), wire.Suite3()}[v.i%2] // others may not have it
	v.logsIn()
	v.call(wire.App, 0x49, 1, 1, 0, 0, 0, 0)
	v.does(wire.App, 0x48, askSOL()...)
	pass(time.Second)
	got := make(chan []byte, 2)
	v.b.Handle(v.src, v.solPacket(sol.Packet{Seq: 1, Data: []byte("x")}.Append(nil)), func(p []byte) {
		select {
		case got <- p:
		default: // what is not acknowledged comes again
		}
	})
	v.is("acknowledgements", byte(len(got)), 1)
	v.m.Print("output")
	pass(time.Second)
	v.is("packets of SOL", byte(len(got)), 2)
}

func (v *visitor) usesSOL() {
	v.hasSOL()
	v.does(wire.App, 0x49, 1, 1, 0, 0, 0, 0)
	v.closes()
}

func (v *visitor) diesWithSOL() { v.hasSOL() }

// repeats comes twice, and comes broken.
func (v *visitor) repeats() {
	v.logsIn()
	p := v.packet(wire.Storage, 0x40)
	first := v.exchange(p)
	if first == nil || string(v.exchange(p)) != string(first) {
		v.t.Fatalf("client %d: a request and its repetition: % x", v.i, first)
	}
	if got := v.exchange(p[:len(p)/2]); got != nil {
		v.t.Fatalf("client %d: half a request is answered: % x", v.i, got)
	}
	v.closes()
}

// cycles has the machine boot from elsewhere, in a command that waits for it.
func (v *visitor) cycles() {
	v.logsIn()
	v.does(wire.Chassis, 8, 5, 0xa0, 4, 0, 0, 0)
	v.does(wire.Chassis, 2, 2)
	v.does(wire.Transport, 0x21, 1, 0, 1)
	v.closes()
}

func (v *visitor) dies() { v.logsIn() }
