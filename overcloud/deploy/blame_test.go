package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trefoil/overcloud/resource"
	"trefoil/overcloud/stack"
)

// asked is machines whose nova-compute is as told.
type asked struct {
	compute resource.Health
	checks  []resource.Check
}

func (a *asked) Health(_ context.Context, n stack.Node, checks []resource.Check) ([]resource.Health, error) {
	if n.Name != "overcloud-novacompute-1" {
		return nil, errors.New("another machine was asked: " + n.Name)
	}
	a.checks = checks
	return []resource.Health{a.compute}, nil
}

// awaited is the wait of the real tree for hypervisors, as long as the document awaits a machine
// that does not come: told each five seconds for half an hour.
func awaited(missing string) func(context.Context, stack.Node, resource.Document, func(resource.Event)) error {
	return func(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
		i := slices.IndexFunc(doc.Resources, func(x resource.Resource) bool { return x.Wait != nil && x.Wait.Name == "hypervisors" })
		if i < 0 || !strings.Contains(doc.Resources[i].Wait.SQL, missing) {
			return nil
		}
		time.Sleep(time.Second) // the other machines do the same step
		lacks := "missing: nova-compute on " + missing + ".localdomain"
		for so := 5 * time.Second; so < 30*time.Minute; so += 5 * time.Second {
			tell(resource.Event{Event: "waiting", Key: "wait:hypervisors", MS: so.Milliseconds(), Missing: lacks})
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(5 * time.Second):
			}
		}
		tell(resource.Event{Event: "failed", Key: "wait:hypervisors", Error: "wait for hypervisors: no answer after 30m0s: " + lacks})
		return errors.New("failed") // as os-apply-config ends
	}
}

// Who waits is not who is at fault: the machine whose service died or is silent is the cause,
// with its unit, its log and what to try.
func TestAWaitInVainIsTheFaultOfTheMachineThatDoesNotCome(t *testing.T) {
	logs := []string{"/var/log/nova/nova-compute.log"}
	for name, c := range map[string]struct {
		health resource.Health
		error  string
		within time.Duration
	}{
		"died":   {resource.Health{Service: "nova_compute", Detail: "unit nova-compute is failed: no libvirt with 's3cret-s3cret'", Ended: true, Logs: logs, Tail: []string{"one", "no libvirt"}}, "unit nova-compute is failed: no libvirt with '******'", 2 * time.Minute},
		"full":   {resource.Health{Service: "nova_compute", OK: true, Detail: "the filesystem of / is full", Logs: logs, Tail: []string{"one", "no libvirt"}}, "the filesystem of / is full", time.Hour},
		"silent": {resource.Health{Service: "nova_compute", OK: true, Logs: logs, Tail: []string{"one", "no libvirt"}}, "unit nova-compute runs, and has given no sign of life", time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.begin(stack.Create, 2)
			if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error {
				s.TimeoutMins, s.Passwords["NovaPassword"] = 0, "s3cret-s3cret"
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			observed := &asked{compute: c.health}
			w.engine.Observer = observed
			w.nodes.waits = awaited("overcloud-novacompute-1")
			began := time.Now()
			s := w.run("CREATE_FAILED")
			if took := time.Since(began); took > c.within {
				t.Errorf("%s: told after %s", name, took)
			}
			f := s.Failures[0]
			if f.Node != "overcloud-novacompute-1" || f.Phase != "step 5" || f.Service != "nova_compute" || f.Key != "unit:nova-compute" || f.Error != c.error ||
				!strings.Contains(f.Hint, "/var/log/nova/nova-compute.log") || !strings.Contains(f.Hint, "ssh heat-admin@192.168.255.13") || !slices.Equal(f.Tail, []string{"one", "no libvirt"}) {
				t.Errorf("%s: %+v", name, f)
			}
			if last := s.Failures[len(s.Failures)-1]; len(s.Failures) != 2 || last.Node != "overcloud-controller-0" || !strings.Contains(last.Error, "missing: nova-compute on overcloud-novacompute-1") {
				t.Errorf("%s: %+v", name, s.Failures)
			}
			if want := (resource.Check{Service: "nova_compute", Units: []string{"nova-compute"}, Explain: true}); fmt.Sprint(observed.checks) != fmt.Sprint([]resource.Check{want}) {
				t.Errorf("%s: asked %+v", name, observed.checks)
			}
			told := 0
			evs, err := w.db.Events(t.Context(), "id", 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range evs {
				if strings.Contains(e.Reason, "waits for wait:hypervisors of nova_api") && strings.Contains(e.Reason, "; overcloud-novacompute-1: nova_compute: "+c.error) {
					told++
				}
			}
			if told == 0 {
				t.Errorf("%s: it was not told while it was waited for", name)
			}
		})
	}
}

// What a role tolerates is gone on without, in the documents of the real tree too: whenever the
// machine fails, nobody waits for it any more, and the next deployment awaits it again.
func TestALostMachineIsNotWaitedFor(t *testing.T) {
	for _, fails := range []string{"1", "5", "dies later", "is silent"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			tolerant := func(s *stack.Stack) error {
				s.TimeoutMins, s.Input.Parameters = 0, map[string]any{"ComputeMaxFailPercentage": 50}
				return nil
			}
			w.begin(stack.Create, 2)
			if _, err := w.db.UpdateStack(t.Context(), "id", tolerant); err != nil {
				t.Fatal(err)
			}
			observed := &asked{compute: resource.Health{Service: "nova_compute", OK: fails == "is silent", Detail: "unit nova-compute is failed", Ended: fails == "dies later"}}
			w.engine.Observer = observed
			w.nodes.fail = fails + " overcloud-novacompute-1"
			w.nodes.waits = awaited("overcloud-novacompute-1")
			s := w.run("CREATE_COMPLETE")
			if !slices.Equal(s.Summary.LeftOut, []string{"overcloud-novacompute-1"}) || len(s.Failures) != 1 || s.Failures[0].Node != "overcloud-novacompute-1" {
				t.Errorf("%s: left out %v: %+v", fails, s.Summary.LeftOut, s.Failures)
			}
			// It comes back: it is awaited again, and that it is awaited is what the machine has recorded.
			w.begin(stack.Update, 2)
			if _, err := w.db.UpdateStack(t.Context(), "id", tolerant); err != nil {
				t.Fatal(err)
			}
			w.nodes.fail, w.nodes.waits, w.nodes.order = "", nil, nil
			var sql string
			w.nodes.waits = func(_ context.Context, n stack.Node, doc resource.Document, _ func(resource.Event)) error {
				for _, x := range doc.Resources {
					if x.Wait != nil && x.Wait.Name == "hypervisors" {
						sql = x.Wait.SQL
					}
				}
				return nil
			}
			if s := w.run("UPDATE_COMPLETE"); !strings.Contains(sql, "overcloud-novacompute-0.localdomain,overcloud-novacompute-1.localdomain") || len(s.Summary.LeftOut) > 0 {
				t.Errorf("%s: awaited at the next deployment by %q; left out %v", fails, sql, s.Summary.LeftOut)
			}
		})
	}
}

// A machine that has failed is not waited for, and its failure is told once.
func TestAMachineThatHasFailedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.begin(stack.Create, 2)
		w.engine.Observer = &asked{compute: resource.Health{Service: "nova_compute", OK: true}}
		w.nodes.fail = "5 overcloud-novacompute-1"
		waits := awaited("overcloud-novacompute-1")
		w.nodes.waits = func(ctx context.Context, n stack.Node, doc resource.Document, tell func(resource.Event)) error {
			if n.Name == "overcloud-novacompute-1" {
				time.Sleep(20 * time.Second) // the controller waits by then: no machine begins a step after a failure
				return nil
			}
			return waits(ctx, n, doc, tell)
		}
		began := time.Now()
		s := w.run("CREATE_FAILED")
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("told after %s", took)
		}
		if len(s.Failures) != 2 || s.Failures[0].Node != "overcloud-novacompute-1" || s.Failures[0].Error != "it would not start" ||
			s.Failures[1].Node != "overcloud-controller-0" || !strings.Contains(s.Failures[1].Error, "waits for wait:hypervisors") {
			t.Errorf("%+v", s.Failures)
		}
	})
}

// What an action does not touch will not come of it: neither on machines that it leaves
// out, nor in steps before its first, nor of services that it does not ask for.
func TestAServiceThatAnActionDoesNotTouchIsNotWaitedFor(t *testing.T) {
	for _, limits := range []stack.Limits{{Nodes: []string{"Controller"}}, {Tags: []string{"nova_api"}}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.begin(stack.Create, 2)
			w.run("CREATE_COMPLETE")
			w.begin(stack.Update, 2)
			if _, err := w.db.UpdateStack(t.Context(), "id", func(s *stack.Stack) error { s.TimeoutMins, s.Input.Limits = 0, limits; return nil }); err != nil {
				t.Fatal(err)
			}
			w.engine.Observer = &asked{compute: resource.Health{Service: "nova_compute", Detail: "unit nova-compute is failed", Ended: true}}
			w.nodes.forget, w.nodes.waits = true, awaited("overcloud-novacompute-1")
			began := time.Now()
			s := w.run("UPDATE_FAILED")
			if took := time.Since(began); took > 2*time.Minute || s.Failures[0].Node != "overcloud-novacompute-1" {
				t.Errorf("%s: told after %s: %+v", limits, took, s.Failures)
			}
		})
	}
}
