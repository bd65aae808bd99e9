package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	xssh "golang.org/x/crypto/ssh"

	"trefoil/internal/errs"
	"trefoil/internal/sibling"
	"trefoil/overcloud/catalog"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/deploy/cloud"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/scaledown"
	"trefoil/overcloud/session"
	"trefoil/overcloud/ssh"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/eval"
	"trefoil/undercloud/config"
	"trefoil/undercloud/jobs"
	"trefoil/undercloud/secret"
)

// stackJob is the kind of the jobs that run actions on stacks.
const stackJob = "stack"

// stacks wires the deployer to jobs and to the undercloud's own APIs.
type stacks struct {
	service *stack.Service
	plans   deploy.Plans
	engine  *deploy.Engine
}

type stackInput struct {
	Stack string `json:"stack"`
}

// applyConfig is the path of the os-apply-config beside this program, which nodes get.
// Without it they keep that of their image.
func applyConfig(log *slog.Logger) string {
	path, err := sibling.Find("os-apply-config")
	if err != nil {
		log.Warn("nodes keep the os-apply-config of their image", "reason", err, "hint", errs.HintOf(err))
		return ""
	}
	return path
}

func newStacks(u *undercloud) (*stacks, error) {
	key, public, err := deployerKey(u.path("id_ed25519"))
	if err != nil {
		return nil, err
	}
	plans := deploy.Plans{Ctlplane: ctlplane(u.cfg.Local(), u.cfg.LocalMTU), Leaves: leaves(&u.cfg.Config)}
	remote := &deploy.Remote{Dialer: &ssh.Dialer{Key: key}, Program: applyConfig(u.log)}
	engine := &deploy.Engine{
		Store: u.db, Cloud: &cloud.Cloud{Open: u.loopback}, Nodes: remote, Observer: remote, Reporter: remote, Database: remote, Ceph: remote, Catalog: catalog.Keystone{},
		Overcloud: func(ctx context.Context, url, password string) (deploy.Overcloud, error) {
			return scaledown.Open(ctx, url, password)
		},
		Plan: plans.Of, PublicKeys: []string{u.cfg.SSHPublicKey, public}, Rand: rand.Reader, Now: time.Now, Poll: time.Second, Log: u.log,
	}
	u.jobs.Register(stackJob, func(r jobs.Run, input json.RawMessage) error {
		var in stackInput
		if err := json.Unmarshal(input, &in); err != nil {
			return fmt.Errorf("read job: %w", err)
		}
		return engine.Run(r, in.Stack)
	})
	return &stacks{plans: plans, engine: engine, service: &stack.Service{
		Store: u.db, NewID: uuid.NewString, Now: time.Now,
		Check:   engine.Check,
		Compare: engine.Preview,
		Passwords: func(old map[string]string) (map[string]string, error) {
			return plan.GeneratePasswords(old, rand.Reader)
		},
		Enqueue: func(ctx context.Context, job, id string) error {
			return u.jobs.Enqueue(ctx, stackJob, job, stackInput{Stack: id})
		},
		Stop: u.jobs.Cancel,
		Ended: func(ctx context.Context, job string) (bool, error) {
			st, err := u.jobs.Status(ctx, job)
			if errs.Is(err, errs.NotFound) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			return st.State == jobs.Done || st.State == jobs.Failed || st.State == jobs.Cancelled, nil
		},
	}}, nil
}

// leaves are the subnets of the provisioning network that the undercloud is not on.
func leaves(c *config.Config) []eval.Subnet {
	var out []eval.Subnet
	for i := range c.Subnets {
		if s := &c.Subnets[i]; s.Name != c.LocalSubnet {
			out = append(out, ctlplane(s, c.LocalMTU))
		}
	}
	return out
}

// ctlplane is the provisioning network as plans see it.
func ctlplane(s *config.Subnet, mtu int) eval.Subnet {
	out := eval.Subnet{Network: "ctlplane", Name: s.Name, CIDR: s.CIDR.String(), Gateway: s.Gateway.String(), MTU: mtu,
		Pools: []eval.Pool{{Start: s.DHCPStart.String(), End: s.DHCPEnd.String()}}}
	for _, ns := range s.DNSNameservers {
		out.DNS = append(out.DNS, ns.String())
	}
	return out
}

// loopback logs in to the undercloud's own APIs: the deployer uses no other way to nodes.
func (u *undercloud) loopback(ctx context.Context) (*session.Session, error) {
	return session.Open(ctx, gophercloud.AuthOptions{IdentityEndpoint: u.cfg.AuthURL() + "/v3", Username: "admin", Password: u.cfg.AdminPassword,
		DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}, gophercloud.EndpointOpts{Availability: gophercloud.AvailabilityInternal}, nil,
		session.Options{Silent: "is the service running? undercloud status"})
}

// deployerKey is the service's own key to nodes, made at the first start.
func deployerKey(path string) (xssh.Signer, string, error) {
	pem, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		var private string
		if _, private, err = ssh.NewHostKey(rand.Reader, "trefoil-undercloud"); err != nil {
			return nil, "", err
		}
		pem = []byte(private)
		err = secret.WriteFile(path, pem, 0o600)
	}
	if err != nil {
		return nil, "", errs.Wrap(errs.Internal, err, "the deployer's SSH key")
	}
	key, err := ssh.ParseKey(pem)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return key, strings.TrimSpace(string(xssh.MarshalAuthorizedKey(key.PublicKey()))), nil
}
