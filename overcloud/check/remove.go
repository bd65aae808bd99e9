package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// object is anything that a list shows.
type object struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"` // a floating IP has no name
}

// kind is a sort of object that checks make.
type kind struct {
	client    *gophercloud.ServiceClient
	path, key string
	query     string
	waits     bool                                      // its removal takes time, and others need it gone
	first     func(context.Context, object) error       // before it can be deleted
	again     func(ctx context.Context, o object) error // when it cannot be
}

// kinds are what checks make, in the order of removal: first needs to be gone before the
// rows of then, which need not wait for each other. Within each, a kind needs those before
// it gone.
func (k *Check) kinds() (first []kind, then [][]kind) {
	first = []kind{
		{client: k.network, path: "floatingips", key: "floatingips"},
		{client: k.compute, path: "servers", key: "servers", query: "?name=%5E" + prefix, waits: true},
	}
	then = [][]kind{{
		{client: k.network, path: "routers", key: "routers", first: k.unplug},
		{client: k.network, path: "ports", key: "ports"},
		{client: k.network, path: "networks", key: "networks"},
		{client: k.network, path: "security-groups", key: "security_groups"},
	}, {
		{client: k.compute, path: "flavors", key: "flavors"},
	}, {
		{client: k.image, path: "images", key: "images"},
	}}
	if k.volume != nil {
		then = append(then, []kind{{client: k.volume, path: "volumes", key: "volumes", waits: true, first: k.detached, again: k.forceVolume}})
	}
	return first, then
}

// removeLeftovers removes what checks that were killed, or told to keep it, have left.
func (k *Check) removeLeftovers(ctx context.Context) (int, error) {
	return k.removeIf(ctx, regexp.MustCompile(`^`+prefix+`[0-9a-f]{8}-`).MatchString)
}

// removeOwn removes all that this check made. An API may still make what it gave no answer
// about: then it looks a second time, whose errors are those that count.
func (k *Check) removeOwn(ctx context.Context) (int, error) {
	own := func(name string) bool { return strings.HasPrefix(name, k.id+"-") }
	n, err := k.removeIf(ctx, own)
	if !k.unsure.Load() {
		return n, err
	}
	fmt.Fprintf(k.Waiting, "something was asked for without an answer: in %s it is looked for once more\n", k.Late)
	select {
	case <-ctx.Done():
		return n, errors.Join(err, ctx.Err())
	case <-time.After(k.Late):
	}
	late, err := k.removeIf(ctx, own)
	return n + late, err
}

// removeIf removes every object that is ours by its name and returns how many
// there were. It goes on after an error: the less is left, the better.
func (k *Check) removeIf(ctx context.Context, ours func(name string) bool) (int, error) {
	first, then := k.kinds()
	n, err := k.removeRow(ctx, first, ours)
	counts, failed := make([]int, len(then)), make([]error, len(then))
	var wait sync.WaitGroup
	for i, row := range then {
		wait.Go(func() { counts[i], failed[i] = k.removeRow(ctx, row, ours) })
	}
	wait.Wait()
	for _, c := range counts {
		n += c
	}
	return n, errors.Join(append([]error{err}, failed...)...)
}

// removeRow removes what is ours of some kinds, one kind after another.
func (k *Check) removeRow(ctx context.Context, row []kind, ours func(name string) bool) (n int, err error) {
	var failed []error
	for _, kd := range row {
		all, err := k.ours(ctx, kd, ours)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		n += len(all)
		failed = append(failed, k.removeAll(ctx, kd, all)...)
	}
	return n, errors.Join(failed...)
}

// removeAll deletes objects of one kind and, where that takes time, waits until they are
// gone: not for those that could not be deleted. A request that was lost is made again, of
// every kind.
func (k *Check) removeAll(ctx context.Context, kd kind, all []object) []error {
	refused := map[string]error{}
	remove := func(o object) {
		if refused[o.ID] = kd.remove(ctx, o); refused[o.ID] == nil {
			delete(refused, o.ID)
		}
	}
	for _, o := range all {
		remove(o)
	}
	lost := func(o object) bool { return errs.Is(refused[o.ID], errs.Unavailable) }
	var failed []error
	if len(all) > 0 && kd.waits || slices.ContainsFunc(all, lost) {
		err := k.wait(ctx, fmt.Sprintf("%d %s to be gone", len(all), kd.key), k.Settle, func(ctx context.Context) (bool, string, error) {
			left, err := k.left(ctx, kd, all)
			if err != nil {
				return false, "", err
			}
			left = slices.DeleteFunc(left, func(o object) bool {
				if lost(o) {
					remove(o)
				}
				return refused[o.ID] != nil && !lost(o)
			})
			return len(left) == 0, fmt.Sprintf("%d are left", len(left)), nil
		})
		if err != nil {
			failed = append(failed, err)
		}
	}
	for _, o := range all {
		if err := refused[o.ID]; err != nil {
			failed = append(failed, fmt.Errorf("%s %s: %w", kd.key, o.Name+o.Description, err))
		}
	}
	return failed
}

// left are those of all that the list still shows; not by name, which floating IPs lack.
func (k *Check) left(ctx context.Context, kd kind, all []object) ([]object, error) {
	shown, err := k.ours(ctx, kd, func(string) bool { return true })
	return slices.DeleteFunc(shown, func(o object) bool {
		return !slices.ContainsFunc(all, func(a object) bool { return a.ID == o.ID })
	}), err
}

// ours lists the objects of a kind whose name is ours.
func (k *Check) ours(ctx context.Context, kd kind, ours func(string) bool) ([]object, error) {
	var all []object
	var err error
	if kd.client == k.image { // Glance gives 25 at a time, with the link to the next as Ironic has it
		if all, err = session.All[object](ctx, kd.client, kd.path, url.Values{"limit": {"1000"}}); err != nil {
			return nil, fmt.Errorf("list %s: %w", kd.key, explain(err))
		}
	} else if all, err = listed[object](ctx, kd.client, kd.path+kd.query, kd.key); err != nil {
		return nil, err
	}
	var out []object
	for _, o := range all {
		if ours(o.Name) || o.Name == "" && ours(o.Description) {
			out = append(out, o)
		}
	}
	return out, nil
}

// remove deletes one object. That it is gone already is as good.
func (kd kind) remove(ctx context.Context, o object) error {
	if kd.first != nil {
		if err := kd.first(ctx, o); err != nil {
			return err
		}
	}
	_, err := kd.client.Delete(ctx, kd.client.ServiceURL(kd.path, o.ID), &gophercloud.RequestOpts{OkCodes: []int{http.StatusAccepted, http.StatusNoContent, http.StatusOK}})
	if err != nil && kd.again != nil && !errs.Is(explain(err), errs.Unavailable) { // a lost request is no refusal
		err = kd.again(ctx, o)
	}
	if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		return nil
	}
	return explain(err)
}

// detached waits until a volume has left its server, which may be on its way out.
func (k *Check) detached(ctx context.Context, o object) error {
	return k.wait(ctx, "volume "+o.Name+" to be detached", k.Settle, func(ctx context.Context) (bool, string, error) {
		v, err := volumes.Get(ctx, k.volume, o.ID).Extract()
		if gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			return true, "", nil
		}
		if err != nil {
			return false, "", explain(err)
		}
		return v.Status != "in-use" && v.Status != "detaching", v.Status, nil
	})
}

// forceVolume deletes a volume whose status forbids it.
func (k *Check) forceVolume(ctx context.Context, o object) error {
	return volumes.ForceDelete(ctx, k.volume, o.ID).ExtractErr()
}

// unplug takes a router out of its networks.
func (k *Check) unplug(ctx context.Context, router object) error {
	all, err := listed[struct {
		ID    string
		Owner string `json:"device_owner"`
	}](ctx, k.network, "ports?device_id="+router.ID, "ports")
	if err != nil {
		return err
	}
	for _, p := range all {
		if !strings.HasPrefix(p.Owner, "network:router_interface") {
			continue // the gateway's goes with the router
		}
		_, err := routers.RemoveInterface(ctx, k.network, router.ID, routers.RemoveInterfaceOpts{PortID: p.ID}).Extract()
		if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
			return fmt.Errorf("take it out of a network: %w", explain(err))
		}
	}
	return nil
}
