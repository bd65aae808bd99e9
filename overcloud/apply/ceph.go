package apply

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/apply/ceph"
	"trefoil/overcloud/resource"
)

// cephNode is this machine for package ceph.
func (s *step) cephNode() *ceph.Node {
	return &ceph.Node{Root: s.Root, Owner: s.System.Owner, Write: writeAtomic,
		Run: func(ctx context.Context, c ceph.Command) (string, error) {
			return s.System.Run(ctx, Command{Args: c.Args, Stdin: c.Stdin, User: c.User, Timeout: c.Timeout})
		}}
}

// ceph is how the resources of a Ceph cluster are made so. What a program said
// before it failed comes with the error.
func (s *step) ceph(r resource.Resource) handler {
	var h handler
	switch {
	case r.CephMon != nil:
		h = s.cephMon(r.CephMon)
	case r.CephOSD != nil:
		h = s.cephOSD(r.CephOSD)
	case r.CephCluster != nil:
		h = s.cephCluster(r.CephCluster)
	default:
		h = s.cephHealth(r.CephHealth)
	}
	h.slow = true
	if ok := h.ok; ok != nil {
		h.ok = func(ctx context.Context) (bool, error) {
			is, err := ok(ctx)
			return is, explained(err)
		}
	}
	set := h.set
	h.set = func(ctx context.Context) error { return explained(set(ctx)) }
	return h
}

func explained(err error) error {
	var known *Failure
	var ended *RunError
	if errors.As(err, &known) || !errors.As(err, &ended) {
		return err
	}
	return withTail(err, ended.Output)
}

func (s *step) cephMon(m *resource.CephMon) handler {
	n := s.cephNode()
	return handler{
		cheap: func() (bool, error) { return n.MonMade(m) },
		set:   func(ctx context.Context) error { return s.aside(func() error { return n.MakeMon(ctx, m) }) },
	}
}

func (s *step) cephCluster(want *resource.CephCluster) handler {
	var c *ceph.Cluster
	return handler{
		ok: func(ctx context.Context) (ok bool, err error) {
			err = s.aside(func() error { c, err = s.cephNode().LookAtCluster(ctx, want); return err })
			return err == nil && c.AsWanted(), err
		},
		set: func(ctx context.Context) error { return s.aside(func() error { return c.Make(ctx) }) },
	}
}

// healthEvery is the pause between two looks at the cluster, which cost a process each.
const healthEvery = 10

func (s *step) cephHealth(h *resource.CephHealth) handler {
	return handler{
		ok:  func(ctx context.Context) (bool, error) { return true, s.healthy(ctx, h) },
		set: func(context.Context) error { return nil },
	}
}

// healthy looks until nothing is missing; what is, is told when time is over.
func (s *step) healthy(ctx context.Context, h *resource.CephHealth) error {
	began := s.Now()
	for {
		var missing []string
		err := s.aside(func() (err error) {
			missing, err = s.cephNode().Missing(ctx, resource.SplitList(h.OSDHosts), resource.SplitList(h.Monitors))
			return err
		})
		if err == nil && len(missing) == 0 {
			return nil
		}
		if s.Now().Sub(began) >= seconds(h.Timeout) {
			if err != nil {
				return err
			}
			return errs.New(errs.Unavailable, "the Ceph cluster is not ready after %s: %s", seconds(h.Timeout), strings.Join(missing, "; ")).
				WithHint("ceph health detail, on a machine with a monitor, tells more")
		}
		s.waiting("ceph_health:ceph", cmp.Or(err, errors.New(strings.Join(missing, "; "))))
		if err := s.sleep(ctx, healthEvery*s.poll()); err != nil {
			return err
		}
	}
}

// cephOSD makes OSDs, and starts and watches their units, which nobody knew
// the names of before.
func (s *step) cephOSD(o *resource.CephOSD) handler {
	n := s.cephNode()
	var osds []ceph.OSD
	return handler{
		// cheap is right only after loadUnits, which knows the units of OSDs too.
		cheap: func() (bool, error) {
			units := n.Units()
			for _, u := range units {
				if ok, err := s.unitOK(&resource.Unit{Name: u}, s.units[fullName(u)]); err != nil || !ok {
					return false, err
				}
			}
			if len(units) == 0 || len(units) < len(o.Devices) {
				return false, nil
			}
			disks, err := s.System.WholeDisks() // one may have been added
			return err == nil && !n.Untaken(o, cephDisks(disks)), err
		},
		ok: func(ctx context.Context) (bool, error) {
			disks, err := s.System.Disks(ctx, o.Devices)
			if err != nil {
				return false, err
			}
			err = s.aside(func() (err error) { osds, err = n.Survey(ctx, o, cephDisks(disks)); return err })
			if err != nil {
				return false, err
			}
			for _, x := range osds {
				if !n.Started(x) {
					return false, nil
				}
			}
			return s.osdsRun(ctx, o, osds, false)
		},
		set: func(ctx context.Context) error {
			if err := s.aside(func() error { return n.MakeOSDs(ctx, o, osds) }); err != nil {
				return err
			}
			_, err := s.osdsRun(ctx, o, osds, true)
			return err
		},
	}
}

func cephDisks(all []Disk) []ceph.Disk {
	out := make([]ceph.Disk, len(all))
	for i, d := range all {
		out[i] = ceph.Disk(d)
	}
	return out
}

// osdsRun tells whether all units run and their OSDs are active, or makes it so.
func (s *step) osdsRun(ctx context.Context, o *resource.CephOSD, osds []ceph.OSD, start bool) (bool, error) {
	if err := s.loadUnits(ctx); err != nil {
		return false, err
	}
	for _, x := range osds {
		u := &resource.Unit{Name: x.Unit()}
		ok, err := s.unitOK(u, s.units[fullName(u.Name)])
		if err == nil && !ok && start {
			err = s.setUnit(ctx, u, s.units[fullName(u.Name)])
		} else if err == nil && !ok {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	for _, x := range osds {
		w := &resource.Wait{Name: x.Name(), Ceph: x.Name(), Unit: x.Unit(), Timeout: o.Timeout}
		if err := s.waitFor(ctx, w); err != nil {
			return false, err
		}
	}
	return true, nil
}
