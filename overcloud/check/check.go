// Package check tests a deployed overcloud as a user of it would, over its own
// APIs: services and agents are up, two servers of a tiny image (package guest)
// boot on two compute hosts, get their leases and metadata, reach each other in
// one network across VXLAN and in two networks through a router, answer through a
// floating IP, and get a volume. All that it makes is called check-<random>-… and
// removed at the end, also after a failure; what a check that was killed left is
// removed by the next one.
package check

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/check/guest"
	"trefoil/overcloud/session"
)

// External is the network that floating IPs come from, made when the cloud has none.
type External struct {
	CIDR            netip.Prefix // not valid: make none
	Gateway         netip.Addr
	First, Last     netip.Addr // of the addresses that may be given out
	PhysicalNetwork string     // of the bridge mapping; TripleO's is datacentre
}

// Options choose what is checked, how patiently, and where it is told.
type Options struct {
	Guest    func(context.Context) (*guest.Files, error)
	External External
	Keep     bool // leave all that was made

	Poll    time.Duration // between two looks; default 5 s
	Active  time.Duration // until a server is ACTIVE; default 15 min
	Boot    time.Duration // until a guest told what is awaited; default 15 min
	Settle  time.Duration // until a volume or a floating IP works, or is gone; default 10 min
	Late    time.Duration // until what was asked for without an answer is made or never; default 1 min
	Removal time.Duration // all of it, also after Ctrl-C; default 20 min
	Lines   io.Writer     // one line a step
	Waiting io.Writer     // what is waited for, since when

	// Get returns the body of an HTTP answer; default: net/http without a proxy.
	Get func(ctx context.Context, url string) (string, error)
}

// Check is one run. Not safe for concurrent use.
type Check struct {
	Options
	id string // check-<random>

	compute, network, image *gophercloud.ServiceClient
	volume                  *gophercloud.ServiceClient // nil: the cloud has none

	hosts     []host // that servers may run on
	external  string // network; "": there is none
	nets      [2]string
	kernel    string
	ramdisk   string
	root      string
	a, b      server
	secgroup  string
	disk      string      // the volume
	volumeWhy error       // why there is no volume service
	unsure    atomic.Bool // something was asked for without an answer, and may be made yet
}

// prefix begins the name of all that checks make.
const prefix = "check-"

// New prepares a check of the cloud that s is a login to.
func New(s *session.Session, o Options) (*Check, error) {
	for _, d := range []struct {
		v       *time.Duration
		without time.Duration
	}{{&o.Poll, 5 * time.Second}, {&o.Active, 15 * time.Minute}, {&o.Boot, 15 * time.Minute}, {&o.Settle, 10 * time.Minute}, {&o.Late, time.Minute}, {&o.Removal, 20 * time.Minute}} {
		if *d.v == 0 {
			*d.v = d.without
		}
	}
	if o.Get == nil {
		o.Get = get
	}
	var mu sync.Mutex
	o.Lines, o.Waiting = &lines{&mu, o.Lines}, &lines{&mu, o.Waiting}
	var id [4]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("choose a name: %w", err)
	}
	k := &Check{Options: o, id: prefix + hex.EncodeToString(id[:])}
	var err error
	if k.compute, err = s.Compute(); err != nil {
		return nil, err
	}
	if k.network, err = s.Network(); err != nil {
		return nil, err
	}
	if k.image, err = s.Image(); err != nil {
		return nil, err
	}
	if k.volume, k.volumeWhy = s.BlockStorage(); errs.Is(k.volumeWhy, errs.NotFound) {
		k.volumeWhy = skipped{"the catalog has no volume service"}
	}
	return k, nil
}

// name is what an object of this check is called.
func (k *Check) name(what string) string { return k.id + "-" + what }
