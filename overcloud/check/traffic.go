package check

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"

	"trefoil/internal/errs"
)

// facts awaits that a guest told all of these.
func (k *Check) facts(ctx context.Context, s *server, what string, facts ...string) error {
	return k.await(ctx, s, what, func(c console) string { return c.without(facts...) })
}

// dhcp wants that every interface of both guests got the address of its port.
func (k *Check) dhcp(ctx context.Context) (string, error) {
	for _, s := range []*server{&k.a, &k.b} {
		for _, a := range s.addresses {
			if err := k.facts(ctx, s, "its lease of "+a, "dhcp "+a); err != nil {
				return "", hinted(err, "is dnsmasq of the network running on the controller (neutron-dhcp-agent.log)? does br-tun of %s have a VXLAN port to it (ovs-vsctl show)?", s.host)
			}
		}
	}
	return fmt.Sprintf("%s; %s", strings.Join(k.a.addresses, ", "), strings.Join(k.b.addresses, ", ")), nil
}

// metadata wants that both guests learned their names from 169.254.169.254.
func (k *Check) metadata(ctx context.Context) (string, error) {
	for _, s := range []*server{&k.a, &k.b} {
		err := k.await(ctx, s, "its metadata", func(c console) string {
			if c.called(s.name) {
				return ""
			}
			return "metadata " + s.name
		})
		if err != nil {
			return "", hinted(err, "neutron-metadata-agent.log and nova-api-metadata.log on the controller: do both have the same metadata_proxy_shared_secret?")
		}
	}
	return k.a.name + ", " + k.b.name, nil
}

// pingAcross wants ping both ways in one network; on two hosts it goes through VXLAN.
func (k *Check) pingAcross(ctx context.Context) (string, error) {
	a, b := k.a.addresses[0], k.b.addresses[0]
	hint := fmt.Sprintf("on %s and %s: ovs-vsctl show; ovs-ofctl dump-flows br-tun; UDP 4789 between their addresses", k.a.host, k.b.host)
	if err := k.facts(ctx, &k.a, "its ping of "+b, "ping "+b+" ok"); err != nil {
		return "", hinted(err, "%s", hint)
	}
	if err := k.facts(ctx, &k.b, "its ping of "+a, "ping "+a+" ok"); err != nil {
		return "", hinted(err, "%s", hint)
	}
	if k.a.host == k.b.host {
		return "", skipped{"there is one compute host, " + k.a.host + "; on it the servers answer each other"}
	}
	return fmt.Sprintf("%s on %s and %s on %s answer each other", a, k.a.host, b, k.b.host), nil
}

// pingRouted wants that a reaches b in the other network, there and back through the router.
func (k *Check) pingRouted(ctx context.Context) (string, error) {
	b := k.b.addresses[1]
	if err := k.facts(ctx, &k.a, "its ping of "+b+" in the other network", "ping "+b+" ok"); err != nil {
		return "", hinted(err, "neutron-l3-agent.log; ip netns exec qrouter-… ip address on the node of the L3 agent")
	}
	return fmt.Sprintf("%s reaches %s in the other network", k.a.addresses[0], b), nil
}

// floatingIP wants that a's web server answers through a floating IP, from here.
func (k *Check) floatingIP(ctx context.Context) (string, error) {
	f, err := made(ctx, k, "create floating IP", func(ctx context.Context) (*floatingips.FloatingIP, error) {
		return floatingips.Create(ctx, k.network, floatingips.CreateOpts{Description: k.name("floating"), FloatingNetworkID: k.external, PortID: k.a.ports[0]}).Extract()
	})
	if err != nil {
		return "", err
	}
	err = k.wait(ctx, "HTTP at "+f.FloatingIP, k.Settle, func(ctx context.Context) (bool, string, error) {
		body, err := k.Get(ctx, "http://"+f.FloatingIP+"/")
		if err != nil {
			return false, err.Error(), nil
		}
		name, _, _ := strings.Cut(strings.TrimSpace(body), ".")
		if name != k.a.name {
			return false, "", errs.New(errs.Conflict, "another machine answers at %s: %.80q", f.FloatingIP, body).WithHint("is the external network's pool in use elsewhere?")
		}
		return true, "", nil
	})
	if err != nil {
		return "", hinted(err, "has this machine a route to it (ip route get %s)? is br-ex's interface in the external network (ovs-vsctl show)?", f.FloatingIP)
	}
	return fmt.Sprintf("%s answers at %s", k.a.name, f.FloatingIP), nil
}

// hinted adds what to try, unless err says it itself or is the caller's giving up.
func hinted(err error, format string, args ...any) error {
	if errs.HintOf(err) != "" || !errs.Is(err, errs.Unavailable) {
		return err
	}
	e := errs.New(errs.Unavailable, "%s", err.Error())
	return e.WithHint(format, args...)
}

// get is Options.Get: no proxy stands between this machine and its overcloud.
func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return string(body), err
}
