// Package catalog makes a deployed cloud's Keystone hold what its services say in
// keystone_resources: roles, projects, users, services and endpoints.
//
// A Keystone may be slow: under emulation each call costs up to seconds. So
// everything is listed once, only what differs is written, and independent calls
// are made side by side, a few at a time. Nothing is remembered elsewhere: Keystone
// itself is asked what is there, and whether a user's password is right by a login.
//
// What is made here carries the stack's name (see mark). Only that is removed when
// the plan has it no longer; what people made by hand stays.
package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/session"
)

// Want is what the Keystone of a stack is to hold.
type Want struct {
	Stack         string
	URL           string // of Keystone, ends in /
	AdminPassword string // secret
	Resources     []plan.KeystoneResource
}

// Keystone makes catalogs over Keystone's API. Safe for concurrent use, but one
// stack's catalog is made by one caller at a time.
type Keystone struct {
	Patience time.Duration // how long a Keystone that does not answer is waited for; 0: three minutes
	Poll     time.Duration // between attempts; 0: two seconds
}

// mostConflicts is how often what somebody else made meanwhile, or what a lost answer
// had made after all, is looked at anew.
const mostConflicts = 3

// passes tells whether an error may be gone in a while. One of them is that the
// administrator may not: right after its bootstrap Keystone can still have in its
// cache what there was before.
func passes(err error) bool { return errs.Is(err, errs.Unavailable) || errs.Is(err, errs.Forbidden) }

// Ensure makes it so and says what it changed, one sentence a change, without
// secrets. It may be called again after any interruption. Errors that pass by
// themselves (Keystone is away, or somebody else made the same thing meanwhile)
// are waited out.
func (k Keystone) Ensure(ctx context.Context, w Want) (changes []string, err error) {
	if k.Patience == 0 {
		k.Patience = 3 * time.Minute
	}
	if k.Poll == 0 {
		k.Poll = 2 * time.Second
	}
	deadline := time.Now().Add(k.Patience)
	for conflicts := 0; ; {
		err := k.pass(ctx, w, &changes)
		switch {
		case errs.Is(err, errs.Conflict) && conflicts < mostConflicts:
			conflicts++
		case !passes(err) || time.Now().After(deadline):
			return changes, err
		}
		select {
		case <-ctx.Done():
			return changes, fmt.Errorf("wait for %s: %w", w.URL, ctx.Err())
		case <-time.After(k.Poll):
		}
	}
}

// pass is one attempt from the login to the end.
func (k Keystone) pass(ctx context.Context, w Want, changes *[]string) error {
	s, err := session.Open(ctx, gophercloud.AuthOptions{IdentityEndpoint: w.URL + "v3", Username: "admin", Password: w.AdminPassword, DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"}}, gophercloud.EndpointOpts{}, nil, session.Options{Timeout: 6 * time.Minute})
	if err != nil {
		return err
	}
	id, err := s.Identity()
	if err != nil {
		return err
	}
	r := &run{want: w, api: id, changes: changes}
	return r.ensure(ctx)
}
