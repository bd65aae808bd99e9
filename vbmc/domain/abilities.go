package domain

import (
	"context"
	"io"
	"time"
)

// What follows are abilities that a Machine may have besides; a BMC asks for them
// by type assertion and does without where they lack.

// Usage is what a machine has consumed.
type Usage struct {
	At         time.Time
	Started    time.Time     // of the running machine; zero: off
	CPU        time.Duration // consumed since Started
	VCPUs      int
	MemoryMax  uint64 // bytes
	MemoryUsed uint64 // bytes; 0: not known
}

// Meter tells the usage. It answers from memory and never blocks; asking renews
// the figures in the background, at most every 10 s.
type Meter interface {
	Usage() (Usage, error)
}

// EventKind is what happened to a machine.
type EventKind uint8

// The kinds of events. Lost and Back are about the hypervisor: its truth is not
// known, it is known again.
const (
	Started EventKind = iota + 1
	Stopped
	ShutDown
	Crashed
	Rebooted
	Lost
	Back
	Gone
)

// Event is one thing that happened to a machine.
type Event struct {
	Kind   EventKind
	At     time.Time
	On     bool   // the power after it
	Ours   bool   // it was an operation of this Machine
	Reason string // in the hypervisor's words; may be empty
}

// Notifier reports events in their order. f returns at once, and it is called
// without any lock that a method of the Machine takes. Back comes after every
// (re)connect, with On as it is then. After cancel f is not called any more.
type Notifier interface {
	OnEvent(f func(Event)) (cancel func())
}

// Console is an open serial console. Write fails with ErrNotSupported when it is
// output only.
type Console interface {
	io.ReadWriteCloser
	SendBreak(ctx context.Context) error
}

// Claim says what may happen to others who have a console that is opened.
type Claim bool

// The claims. A console has one reader: what two read, each gets a part of.
const (
	IfFree   Claim = false // nobody is disturbed
	TakeOver Claim = true  // whoever has it is thrown out
)

// ConsoleOpener opens the serial console. canWrite is false when the machine can
// be watched but not be typed to. With IfFree it fails with ErrBusy while somebody
// else has it. ctx bounds the opening only.
type ConsoleOpener interface {
	OpenConsole(ctx context.Context, claim Claim) (c Console, canWrite bool, err error)
}

// Overrider drops the one-time override only: a persistent one that lies under it
// comes into force again.
type Overrider interface {
	ClearOnce(ctx context.Context) error
}

// Restorer brings the machine back after a restart of its host, when nobody asks for a boot.
type Restorer interface {
	// Restore is On, but that a guest which the hypervisor has saved goes on where it was, and
	// a one-time override stays for the next start then.
	Restore(ctx context.Context) error
}

// Awaiter is a machine that the hypervisor has to tell of first.
type Awaiter interface {
	// Await returns when the machine's state is known, or that there is no such machine.
	// The error is that of ctx, or why the hypervisor is not reached.
	Await(ctx context.Context) error
}

// Troubled tells the latest failure in the hypervisor's words, "" after a success.
type Troubled interface {
	Trouble() string
}
