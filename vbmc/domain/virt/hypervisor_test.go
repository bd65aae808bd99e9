package virt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"trefoil/vbmc/domain"
	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/libvirt"
)

// Details of EventStopped and EventStarted that nothing but tests cares for.
const (
	destroyed       = 1
	stoppedSaved    = 4
	startedRestored = 2
)

// hypervisor is a libvirt of one domain in memory, with as much of QEMU as decides
// what the firmware boots from.
type hypervisor struct {
	uuid         libvirt.UUID // zero: {1}
	stored, live string
	saved        string // what live was, of a guest that was saved
	transient    bool   // it has no stored definition
	away         error  // every call fails with it
	untold       bool   // the event of its definition is on its way
	createFails  error
	refusesOps   error  // what is done to a domain that runs
	before       func() // what others do just before that, or before a start; may be nil
	defines      int
	refuses      error  // a definition
	noAnswer     bool   // a definition is stored, and its answer is lost
	step         func() // before and behind what a kill may come between; may be nil
	denied       bool   // monitor commands
	index        map[string]int
	booted       domain.Device // by the latest boot; None: the machine's own order, CD drive first
	stats        libvirt.Stats
	output       string
	taken        bool  // somebody else has the console
	closed       error // why its console cannot be opened
	stopsBehind  bool  // its live XML was read: it stops
	remote       bool
	breaks       []any
	observe      func(libvirt.Event) bool
	needsRepair  bool // what observe said during a call
}

func (h *hypervisor) domain() libvirt.Domain {
	d := libvirt.Domain{Name: "m", UUID: cmp.Or(h.uuid, libvirt.UUID{1}), State: libvirt.StateShutoff}
	if h.live != "" {
		d.State = libvirt.StateRunning
	}
	return d
}

func (h *hypervisor) WaitReady(context.Context) error { return h.away }
func (h *hypervisor) Cached(string) (libvirt.Domain, error) {
	if h.untold {
		return libvirt.Domain{}, &libvirt.Error{Op: "look up", Code: libvirt.CodeNoDomain, Msg: "no domain"}
	}
	return h.domain(), h.away
}
func (h *hypervisor) Refresh(context.Context, string) (libvirt.Domain, error) {
	h.untold = false
	return h.domain(), h.away
}

func (h *hypervisor) when(running bool, f func()) error {
	if err := cmp.Or(h.away, h.refusesOps); err != nil {
		return err
	}
	if h.before != nil {
		h.before()
	}
	if (h.live != "") != running {
		return &libvirt.Error{Op: "test", Code: libvirt.CodeOperationInvalid, Msg: "wrong state"}
	}
	f()
	return nil
}

// tell is an event that comes before the reply to the call.
func (h *hypervisor) tell(k libvirt.EventKind, detail int32) {
	if h.observe != nil && h.observe(libvirt.Event{Kind: k, Detail: detail, Domain: h.domain()}) {
		h.needsRepair = true
	}
}

var aliases = strings.NewReplacer(
	"<target dev='vda'/>", "<target dev='vda'/><alias name='disk0'/>",
	"<target dev='sda'/>", "<target dev='sda'/><alias name='cd0'/>",
	"<mac address='52:54:00:00:00:01'/>", "<mac address='52:54:00:00:00:01'/><alias name='net0'/>")

// BootDomain removes the saved guest first, as libvirt does; others may have let it go on.
func (h *hypervisor) BootDomain(ctx context.Context, name string) (bool, error) {
	saved := h.saved
	h.saved = ""
	err := h.CreateDomain(ctx, name)
	return saved != "" && (err == nil || h.live == ""), err
}

func (h *hypervisor) HasSaved(context.Context, string) (bool, error) { return h.saved != "", h.away }

func (h *hypervisor) IsPersistent(context.Context, string) (bool, error) { return !h.transient, h.away }

// save is virsh managedsave.
func (h *hypervisor) save() {
	h.saved, h.live = h.live, ""
	h.tell(libvirt.EventStopped, stoppedSaved)
}

func (h *hypervisor) CreateDomain(context.Context, string) error {
	if h.createFails != nil {
		return h.createFails
	}
	return h.when(false, func() {
		if h.saved != "" {
			h.live, h.saved = h.saved, ""
			h.tell(libvirt.EventStarted, startedRestored)
			return
		}
		h.live, h.index = aliases.Replace(h.stored), map[string]int{}
		d, _ := bootxml.Parse(h.live)
		for _, r := range d.Ranks(d.Config()) {
			h.index[r.Alias] = r.Place
			if r.Place == 0 {
				h.index[r.Alias] = -1
			}
		}
		h.boot()
		h.tell(libvirt.EventStarted, 0)
	})
}

// boot takes the device with the lowest index.
func (h *hypervisor) boot() {
	best := ""
	for alias, n := range h.index {
		if n >= 0 && (best == "" || n < h.index[best]) {
			best = alias
		}
	}
	h.booted = map[string]domain.Device{"net0": domain.PXE, "disk0": domain.Disk, "cd0": domain.None}[best]
}

// reset is a reboot by the guest.
func (h *hypervisor) reset() (needsRepair bool) {
	h.boot()
	return h.observe(libvirt.Event{Kind: libvirt.EventRebooted, Domain: h.domain()})
}

func (h *hypervisor) DestroyDomain(context.Context, string) error {
	return h.when(true, func() { h.live = ""; h.tell(libvirt.EventStopped, destroyed) })
}
func (h *hypervisor) ShutdownDomain(context.Context, string) error { return h.when(true, func() {}) }
func (h *hypervisor) ResetDomain(context.Context, string) error {
	return h.when(true, func() { h.boot(); h.tell(libvirt.EventRebooted, 0) })
}
func (h *hypervisor) InjectNMI(context.Context, string) error { return h.when(true, func() {}) }
func (h *hypervisor) DomainXML(_ context.Context, _ string, f libvirt.XMLFlags) (string, error) {
	switch f {
	case libvirt.XMLLive: // of a domain that is off the stored one
		live := h.live
		if h.stopsBehind {
			h.live = ""
		}
		return cmp.Or(live, h.stored), h.away
	case libvirt.XMLInactive | libvirt.XMLSecure:
		return h.stored, h.away
	}
	return "", errors.New("XML that is defined again must be read with INACTIVE and SECURE")
}
func (h *hypervisor) DefineDomain(_ context.Context, xml string) (libvirt.Domain, error) {
	if err := cmp.Or(h.away, h.refuses); err != nil {
		return libvirt.Domain{}, err
	}
	if h.step != nil {
		h.step()
		defer h.step()
	}
	h.stored = xml
	h.defines++
	if h.noAnswer {
		return libvirt.Domain{}, &libvirt.UnavailableError{URI: "test", Op: "define", Err: libvirt.ErrTimeout}
	}
	return h.domain(), nil
}

func (h *hypervisor) Monitor(_ context.Context, _, command string, args map[string]any) (json.RawMessage, error) {
	if h.denied {
		return nil, &libvirt.Error{Op: "monitor", Code: 29, Msg: "not allowed"}
	}
	path, _ := args["path"].(string)
	alias := strings.TrimPrefix(path, "/machine/peripheral/")
	switch command {
	case "qom-get":
		return json.RawMessage(fmt.Sprint(h.index[alias])), nil
	case "qom-set":
		set := args["value"].(int)
		for other, n := range h.index {
			if set >= 0 && n == set && other != alias {
				return nil, &libvirt.MonitorError{Command: command, Msg: "The bootindex has already been used"}
			}
		}
		h.index[alias] = set
	case "chardev-send-break":
		h.breaks = append(h.breaks, args["id"])
	default:
		return nil, &libvirt.MonitorError{Command: command, Msg: "unknown"}
	}
	return nil, nil
}

func (h *hypervisor) Usage(string) (libvirt.Stats, error) { return h.stats, h.away }
func (h *hypervisor) Local() bool                         { return !h.remote }
func (h *hypervisor) OpenConsole(_ context.Context, _, _ string, flags libvirt.ConsoleFlags) (io.ReadCloser, error) {
	if h.closed != nil {
		return nil, h.closed
	}
	if h.taken && flags != libvirt.ConsoleForce {
		return nil, &libvirt.Error{Op: "open console", Code: libvirt.CodeOperationFailed, Msg: "Active console session exists for this domain"}
	}
	h.taken = false
	return io.NopCloser(strings.NewReader(h.output)), nil
}
