package virt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"trefoil/vbmc/domain/bootxml"
	"trefoil/vbmc/libvirt"
)

// live reads the description of the running process.
func (m *Machine) live(ctx context.Context) (*bootxml.Doc, error) {
	text, err := m.conn.DomainXML(ctx, m.name, libvirt.XMLLive)
	if err != nil {
		return nil, translate(err)
	}
	return bootxml.Parse(text)
}

// used tells whether the process was started with a boot order. Where it cannot be asked,
// one that we started was: booting from the same device for ever is the worse mistake.
func (m *Machine) used(ctx context.Context, c bootxml.Config, ours bool) bool {
	doc, err := m.live(ctx)
	if err != nil {
		return ours
	}
	return doc.Config().Equal(c)
}

// isStale tells whether the process has another boot order than the stored one: a guest
// that was saved goes on with the order of then.
func (m *Machine) isStale(ctx context.Context) bool {
	live, err := m.live(ctx)
	if err != nil {
		return false
	}
	doc, err := m.read(ctx)
	return err == nil && !live.Config().Equal(doc.Config())
}

// usedBy tells whether the process was started with an order that is to be undone.
func (m *Machine) usedBy(ctx context.Context, s State) bool {
	doc, err := m.live(ctx)
	return err == nil && s.startedWith(doc.Config())
}

// restoreLive gives the process that a one-time override started the order that
// its next boot is to have. QEMU hands its order to the firmware at each reset, so
// the boot that goes on now is not touched. Where that cannot be done the guest's
// reboot is dealt with when it comes: see afterReboot.
func (m *Machine) restoreLive(ctx context.Context, c bootxml.Config) error {
	if m.options.LiveOrder != LiveOrderQMP {
		return nil
	}
	if err := m.setLive(ctx, c); err != nil {
		m.log.Info("the running machine keeps the one-time boot order; its guest's reboot will be made a power cycle",
			"domain", m.name, "reason", err)
		return nil
	}
	if !m.tainted {
		m.tainted = true
		m.log.Info("the boot order of the running machine was changed by QEMU's monitor; libvirt marks it as tainted", "domain", m.name)
	}
	return m.started(false)
}

// setLive sets the boot index of every device. No two devices may have the same
// index at any moment, and it must never be true that none has one: the new ones
// begin above all that are there, and what has no place is taken out at the end.
func (m *Machine) setLive(ctx context.Context, c bootxml.Config) error {
	doc, err := m.live(ctx)
	if err != nil {
		return err
	}
	ranks, base, err := m.indexes(ctx, doc.Ranks(c))
	if err != nil {
		return err
	}
	slices.SortStableFunc(ranks, func(a, b bootxml.Rank) int {
		return cmp.Compare(uint(a.Place-1), uint(b.Place-1)) // 0, no place, comes last
	})
	for _, r := range ranks {
		index := -1
		if r.Place > 0 {
			index = base + r.Place
		}
		if _, err := m.bootIndex(ctx, r.Alias, &index); err != nil {
			return err
		}
	}
	return nil
}

// indexes tells the highest boot index, and leaves out devices that have no place
// in the new order and none in QEMU's.
func (m *Machine) indexes(ctx context.Context, all []bootxml.Rank) (ranks []bootxml.Rank, highest int, err error) {
	for _, r := range all {
		now, err := m.bootIndex(ctx, r.Alias, nil)
		var refused *libvirt.MonitorError
		switch {
		case r.Place == 0 && errors.As(err, &refused): // cannot be booted from
			continue
		case err != nil:
			return nil, 0, err
		case r.Place == 0 && now < 0:
			continue
		}
		highest = max(highest, now)
		ranks = append(ranks, r)
	}
	return ranks, highest, nil
}

// bootIndex reads a device's boot index, or sets it.
func (m *Machine) bootIndex(ctx context.Context, alias string, set *int) (int, error) {
	args := map[string]any{"path": "/machine/peripheral/" + alias, "property": "bootindex"}
	if set != nil {
		args["value"] = *set
		_, err := m.conn.Monitor(ctx, m.name, "qom-set", args)
		return *set, err
	}
	raw, err := m.conn.Monitor(ctx, m.name, "qom-get", args)
	if err != nil {
		return 0, err
	}
	var index int
	err = json.Unmarshal(raw, &index)
	return index, err
}

// afterReboot runs after a reboot that no operation of ours made. When the next
// boot was to have another order than the process gave it, the process is replaced
// now, while the firmware has hardly begun.
func (m *Machine) afterReboot(ctx context.Context) error {
	if !m.snapshot().needsProcess() {
		return nil
	}
	if on, err := m.running(ctx); err != nil || !on {
		return err
	}
	m.log.Info("the guest rebooted; the machine is started anew for its boot order", "domain", m.name)
	return m.restart(ctx)
}
