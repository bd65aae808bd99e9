package ipmi_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/ipmi"
	"trefoil/vbmc/ipmi/ipmiclient"
	"trefoil/vbmc/ipmi/wire"
)

// Lamp is a machine of one's own: whatever can be switched. Power and UUID answer
// from memory, all others may take their time.
type Lamp struct {
	mu sync.Mutex
	on bool
}

func (l *Lamp) set(on bool) error { l.mu.Lock(); defer l.mu.Unlock(); l.on = on; return nil }

func (l *Lamp) UUID() ([16]byte, error) { return [16]byte{0x1a, 0x3b}, nil }
func (l *Lamp) Power() (bool, error)    { l.mu.Lock(); defer l.mu.Unlock(); return l.on, nil }

func (l *Lamp) On(context.Context) error   { return l.set(true) }
func (l *Lamp) Off(context.Context) error  { return l.set(false) }
func (l *Lamp) Soft(context.Context) error { return l.set(false) }

// Reset and Cycle need a machine that runs; the BMC tells the client so.
func (l *Lamp) Reset(ctx context.Context) error { return l.Cycle(ctx) }
func (l *Lamp) Cycle(context.Context) error {
	if on, _ := l.Power(); !on {
		return domain.ErrPoweredOff
	}
	return nil
}
func (l *Lamp) Diag(context.Context) error { return domain.ErrNotSupported }

// An override is what the next start boots from; a Lamp has no boot devices.
func (l *Lamp) Override() domain.Override { return domain.Override{} }
func (l *Lamp) SetOverride(_ context.Context, o domain.Override) error {
	if o.Device != domain.None {
		return domain.ErrNotSupported
	}
	return nil
}

// A BMC of its own for a machine of one's own, asked by a client. ipmitool would
// do it with: ipmitool -I lanplus -H 127.0.0.1 -p PORT -U admin -P secret power status
func Example() {
	bmc, err := ipmi.New(ipmi.Config{Machine: &Lamp{}, Username: "admin", Password: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := ipmi.Listen("127.0.0.1", 0) // 0: a free port
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- bmc.Serve(ctx, conn) }()

	client, err := ipmiclient.Dial(ctx, conn.LocalAddr().String(), ipmiclient.Options{Username: "admin", Password: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	// Get Chassis Status (28.2): bit 0 of the first byte is the power.
	tell := func() {
		cc, data, err := client.Do(wire.Chassis, 0x01)
		if err != nil || cc != 0 {
			log.Fatal(cc, err)
		}
		fmt.Println("power on:", data[0]&1 == 1)
	}
	tell()
	if cc, _, err := client.Do(wire.Chassis, 0x02, 1); err != nil || cc != 0 { // Chassis Control (28.3): power up
		log.Fatal(cc, err)
	}
	tell()

	// The end: the client logs out, cancel ends Serve and with it the BMC.
	client.Close()
	cancel()
	if err := <-served; err != nil {
		log.Fatal(err)
	}
	// Output:
	// power on: false
	// power on: true
}
