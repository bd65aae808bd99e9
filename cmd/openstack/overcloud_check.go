package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/check"
	"trefoil/overcloud/check/guest"
	"trefoil/overcloud/session"
	"trefoil/overcloud/stack/client"
)

const checkHelp = `Tests the deployed cloud as its users see it: services and agents are up; two
servers of a tiny image boot, on two compute hosts where there are two, get their
leases and metadata, reach each other across VXLAN and through a router, answer
through a floating IP and get a volume. All is called check-<random>-… and removed
at the end, also after Ctrl-C; what a killed check left, the next one removes.

Type it after "source overcloudrc", or after "source stackrc": then the cloud is
the one that --stack has deployed.

Exit codes: 0 nothing failed; 1 something failed, or with --require-all was not
tested; 2 wrong arguments; 130 interrupted.`

func (p *program) checkCommand() *cli.Command {
	return &cli.Command{Name: "check", Usage: "boot two servers on the overcloud and test what they reach", Description: checkHelp, Flags: []cli.Flag{
		&cli.StringFlag{Name: "stack", Usage: "stack whose cloud is tested, after source stackrc", Value: "overcloud"},
		&cli.StringFlag{Name: "external-cidr", Usage: "make an external network for floating IPs, for the time of the check, where there is none"},
		&cli.StringFlag{Name: "external-gateway", Usage: "its router; default the first address"},
		&cli.StringFlag{Name: "external-pool", Usage: "START-END: its addresses that nobody else uses"},
		&cli.StringFlag{Name: "external-physical-network", Usage: "what the bridge mapping calls it", Value: "datacentre"},
		&cli.BoolFlag{Name: "require-all", Usage: "what could not be tested is a failure"},
		&cli.BoolFlag{Name: "keep", Usage: "leave servers and networks for a closer look; the next check removes them"},
		&cli.StringFlag{Name: "cache-directory", Usage: "the guest's kernel; may be deleted at any time", Value: "/var/cache/trefoil"},
		&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "text or json", Value: "text"},
	}, Action: p.overcloudCheck}
}

func (p *program) overcloudCheck(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	if f := c.String("format"); f != "text" && f != "json" {
		return usageError{fmt.Errorf("argument -f/--format: invalid choice: '%s' (choose from 'text', 'json')", f)}
	}
	ext, err := externalFlags(c)
	if err != nil {
		return usageError{err}
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "find the cache directory").WithHint("set HOME")
	}
	lock, err := check.Lock(filepath.Join(dir, "trefoil"))
	if err != nil {
		return err
	}
	defer lock.Close()
	s, err := p.overcloudSession(c)
	if err != nil {
		return err
	}
	o := check.Options{External: ext, Keep: c.Bool("keep"), Lines: p.out, Waiting: p.progress(c), Guest: func(ctx context.Context) (*guest.Files, error) {
		return guest.Build(ctx, filepath.Join(c.String("cache-directory"), "kernel"), guest.BusyBox)
	}}
	if c.String("format") == "json" {
		o.Lines = io.Discard
	}
	k, err := check.New(s, o)
	if err != nil {
		return err
	}
	defer context.AfterFunc(c.Context, func() {
		fmt.Fprintln(p.err, "\ninterrupted: what was made is being removed. A second Ctrl-C leaves it to the next check.")
	})()
	r, err := k.Run(c.Context)
	return p.checked(c, r, err)
}

// checked prints how a check went.
func (p *program) checked(c *cli.Context, r *check.Report, err error) error {
	if c.String("format") == "json" {
		e := json.NewEncoder(p.out)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(p.out, r.Summary())
	}
	switch {
	case err != nil:
		return silentError(exitInterrupted)
	case r.Failed > 0:
		return silentError(exitFailed)
	case r.NotTested > 0 && c.Bool("require-all"):
		return errs.New(errs.Conflict, "%d steps were not tested, and --require-all is given", r.NotTested)
	}
	return nil
}

// checkTimeout is of one request: an upload to an emulated Glance takes its time.
const checkTimeout = 5 * time.Minute

// overcloudSession logs in to the overcloud: with the environment's credentials, or, where
// those are the undercloud's (it has an introspection service), with what the stack's outputs say.
func (p *program) overcloudSession(c *cli.Context) (*session.Session, error) {
	o := p.sessionOptions(c)
	o.Timeout = checkTimeout
	s, err := session.FromEnv(c.Context, o)
	if err != nil {
		return nil, err
	}
	if _, err := s.Introspection(); errs.Is(err, errs.NotFound) {
		return s, nil
	}
	h, err := client.New(s)
	if err != nil {
		return nil, err
	}
	name := c.String("stack")
	st, err := h.Stack(c.Context, name)
	if err != nil {
		return nil, errs.Wrap(errs.CodeOf(err), err, "find the overcloud of stack %s", name).WithHint("openstack stack list; deploy it: openstack overcloud deploy --templates")
	}
	url, _ := st.OutputMap()["KeystoneURL"].(string)
	if url == "" {
		return nil, errs.New(errs.Conflict, "stack %s is %s and has no Keystone", name, st.Status).WithHint("openstack overcloud status; does a role have the service Keystone?")
	}
	secret, err := h.Output(c.Context, st.ID, "AdminPassword")
	if err != nil {
		return nil, err
	}
	password, _ := secret.(string)
	o.Silent = "openstack overcloud status; systemctl --failed on the controller"
	return session.Open(c.Context, gophercloud.AuthOptions{IdentityEndpoint: url + "v3", Username: "admin", Password: password, DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}, gophercloud.EndpointOpts{}, nil, o)
}

// externalFlags reads the external network; its parts must fit one another.
func externalFlags(c *cli.Context) (check.External, error) {
	e := check.External{PhysicalNetwork: c.String("external-physical-network")}
	cidr, gateway, pool := c.String("external-cidr"), c.String("external-gateway"), c.String("external-pool")
	if cidr == "" {
		if gateway != "" || pool != "" {
			return e, fmt.Errorf("--external-gateway and --external-pool need --external-cidr")
		}
		return e, nil
	}
	var err error
	if e.CIDR, err = netip.ParsePrefix(cidr); err != nil || !e.CIDR.Addr().Is4() {
		return e, fmt.Errorf("--external-cidr %s: expected an IPv4 network such as 10.0.0.0/24", cidr)
	}
	e.CIDR = e.CIDR.Masked()
	e.Gateway = e.CIDR.Addr().Next()
	if gateway != "" {
		if e.Gateway, err = inside(e.CIDR, "--external-gateway", gateway); err != nil {
			return e, err
		}
	}
	first, last, ok := strings.Cut(pool, "-")
	if !ok {
		return e, fmt.Errorf("--external-pool %q: expected START-END, addresses that nobody else uses, such as 10.0.0.100-10.0.0.120", pool)
	}
	if e.First, err = inside(e.CIDR, "--external-pool", first); err != nil {
		return e, err
	}
	if e.Last, err = inside(e.CIDR, "--external-pool", last); err != nil {
		return e, err
	}
	if e.Last.Less(e.First) || e.Last == e.First {
		return e, fmt.Errorf("--external-pool %s: expected two addresses at least, the lower one first (the router takes one, the floating IP the other)", pool)
	}
	return e, nil
}

func inside(cidr netip.Prefix, flag, text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || !cidr.Contains(a) {
		return a, fmt.Errorf("%s %s: expected an address in %s", flag, text, cidr)
	}
	return a, nil
}
