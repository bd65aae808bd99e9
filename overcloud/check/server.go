package check

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"trefoil/internal/errs"
)

// ramMB is the guest's memory: kernel and initramfs need about 90.
const ramMB = 128

// server is one of the two that are booted.
type server struct {
	name      string
	id        string
	host      string
	ports     []string
	addresses []string // of the ports, in the same order
	failure   error    // of its creation
}

// userData tells the guest what to ping.
func userData(addresses ...string) []byte {
	var b strings.Builder
	for _, a := range addresses {
		b.WriteString("ping " + a + "\n")
	}
	return []byte(b.String())
}

// bootServers asks for both servers at once, on two hosts where there are two, and waits for the first.
func (k *Check) bootServers(ctx context.Context) (string, error) {
	if len(k.hosts) == 0 {
		return "", skipped{"it needs a compute host"}
	}
	none := 0
	f, err := made(ctx, k, "create flavor "+k.name("flavor"), func(ctx context.Context) (*flavors.Flavor, error) {
		return flavors.Create(ctx, k.compute, flavors.CreateOpts{Name: k.name("flavor"), RAM: ramMB, VCPUs: 1, Disk: &none}).Extract()
	})
	if err != nil {
		return "", err
	}
	if err := k.create(ctx, &k.a, f.ID, k.hosts[0], userData(k.b.addresses...)); err != nil {
		return "", err
	}
	// The second one's failure belongs to the second one's line.
	k.b.failure = k.create(ctx, &k.b, f.ID, k.hosts[min(1, len(k.hosts)-1)], userData(k.a.addresses...))
	return k.active(ctx, &k.a)
}

func (k *Check) secondServer(ctx context.Context) (string, error) {
	if k.b.failure != nil {
		return "", k.b.failure
	}
	return k.active(ctx, &k.b)
}

// create asks for a server on a host. No config drive: the metadata service is to be tested.
func (k *Check) create(ctx context.Context, s *server, flavor string, h host, data []byte) error {
	nics := make([]servers.Network, len(s.ports))
	for i, p := range s.ports {
		nics[i].Port = p
	}
	no := false
	srv, err := made(ctx, k, "create server "+s.name, func(ctx context.Context) (*servers.Server, error) {
		return servers.Create(ctx, k.compute, servers.CreateOpts{Name: s.name, ImageRef: k.root, FlavorRef: flavor, Networks: nics,
			UserData: data, AvailabilityZone: h.zone + ":" + h.name, ConfigDrive: &no}, nil).Extract()
	})
	if err != nil {
		return err
	}
	s.id, s.host = srv.ID, h.name
	return nil
}

// active waits until a server is ACTIVE; of one in ERROR it tells Nova's fault.
func (k *Check) active(ctx context.Context, s *server) (string, error) {
	state := "BUILD"
	looks := 0
	err := k.wait(ctx, fmt.Sprintf("server %s on %s to become ACTIVE", s.name, s.host), k.Active, func(ctx context.Context) (bool, string, error) {
		looks++
		if looks%showEvery != 1 {
			switch is, err := k.has(ctx, s, "ACTIVE"); {
			case is || err != nil:
				return is, state, err
			}
			if is, err := k.has(ctx, s, "ERROR"); !is || err != nil {
				return false, state, err
			}
		}
		now, err := servers.Get(ctx, k.compute, s.id).Extract()
		if err != nil {
			return false, state, explain(err)
		}
		if now.Status == "ERROR" {
			return false, "", fmt.Errorf("server %s on %s is in ERROR: %w", s.name, s.host, fault(now.Fault.Message, s.host))
		}
		state = strings.TrimSpace(now.Status + " " + now.TaskState)
		return now.Status == "ACTIVE", state, nil
	})
	if errs.HintOf(err) == "" && errs.Is(err, errs.Unavailable) {
		err = errs.Wrap(errs.Unavailable, err, "server %s", s.name).WithHint("nova-compute.log on %s says what it waits for", s.host)
	}
	return fmt.Sprintf("%s on %s", strings.Join(s.addresses, ", "), s.host), err
}

// showEvery is which look at a server is a whole one: for that Nova asks Neutron for
// its ports and groups, ten seconds of work on an emulated controller that has to
// make the server meanwhile. To list the names of servers it looks into its database.
const showEvery = 8

// has tells whether a server is in that status.
func (k *Check) has(ctx context.Context, s *server, status string) (bool, error) {
	query := url.Values{"name": {"^" + s.name + "$"}, "status": {status}}
	found, err := listed[struct{ ID string }](ctx, k.compute, "servers?"+query.Encode(), "servers")
	return len(found) > 0, err
}

// fault is an error of Nova's own words about a server.
func fault(message, host string) error {
	if message == "" {
		message = "Nova gives no reason"
	}
	err := advised(errs.Conflict, message)
	if errs.HintOf(err) == "" {
		return errs.New(errs.Conflict, "%s", message).WithHint("nova-compute.log on %s", host)
	}
	return err
}

// await waits until a guest told all of want on its console.
func (k *Check) await(ctx context.Context, s *server, what string, want func(console) (missing string)) error {
	var last console
	err := k.wait(ctx, fmt.Sprintf("the guest of %s to tell of %s", s.name, what), k.Boot, func(ctx context.Context) (bool, string, error) {
		text, err := servers.ShowConsoleOutput(ctx, k.compute, s.id, servers.ShowConsoleOutputOpts{}).Extract()
		if err != nil {
			err = explain(err)
			if errs.Is(err, errs.Conflict) || errs.Is(err, errs.NotFound) { // the host has no console yet
				return false, err.Error(), nil
			}
			return false, "", fmt.Errorf("console of %s: %w", s.name, err)
		}
		last = parseConsole(text)
		if last.panicked != "" {
			return false, "", errs.New(errs.Internal, "the guest of %s: %s", s.name, last.panicked).WithHint("openstack console log show %s (with --keep)", s.name)
		}
		missing := want(last)
		return missing == "", "not seen yet: " + missing + "; last line of its console: " + last.lastLine, nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		for _, line := range last.tail {
			fmt.Fprintf(k.Waiting, "    %s: %s\n", s.name, errs.Printable(line))
		}
	}
	return err
}
