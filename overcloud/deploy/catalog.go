package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// Keystone prepares the deployed cloud's identity service over its own API.
type Keystone struct{}

var _ Catalog = Keystone{}

// Ensure makes the project that service users will live in. It waits for
// Keystone to answer a login, which a first start under emulation makes slow.
func (Keystone) Ensure(ctx context.Context, keystoneURL, adminPassword string) error {
	s, err := login(ctx, keystoneURL, adminPassword)
	if err != nil {
		return err
	}
	id, err := s.Identity()
	if err != nil {
		return err
	}
	pages, err := projects.List(id, projects.ListOpts{Name: "service"}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list projects: %w", session.Explain(err))
	}
	all, err := projects.ExtractProjects(pages)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		return nil
	}
	_, err = projects.Create(ctx, id, projects.CreateOpts{Name: "service", DomainID: "default", Description: "OpenStack services"}).Extract()
	if err = session.Explain(err); err != nil && !errs.Is(err, errs.Conflict) {
		return fmt.Errorf("create project service: %w", err)
	}
	return nil
}

func login(ctx context.Context, url, password string) (*session.Session, error) {
	auth := gophercloud.AuthOptions{IdentityEndpoint: url + "v3", Username: "admin", Password: password, DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}
	deadline := time.Now().Add(3 * time.Minute)
	for {
		s, err := session.Open(ctx, auth, gophercloud.EndpointOpts{}, nil, session.Options{})
		if err == nil || errs.Is(err, errs.Unauthorized) || time.Now().After(deadline) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w", url, ctx.Err())
		case <-time.After(2 * time.Second):
		}
	}
}
