package scaledown

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	volumeservices "github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"

	"trefoil/overcloud/session"
)

// SQL runs statements in the cloud's database server, as its root. It may be called again
// with the same statements.
type SQL func(ctx context.Context, statements string) error

func (c *Cloud) volumeServices(ctx context.Context, machines []string) ([]volumeservices.Service, error) {
	if c.volume == nil {
		return nil, nil
	}
	pages, err := volumeservices.List(c.volume, nil).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("list volume services: %w", session.Explain(err))
	}
	all, err := volumeservices.ExtractServices(pages)
	if err != nil {
		return nil, fmt.Errorf("read volume services: %w", err)
	}
	return slices.DeleteFunc(all, func(s volumeservices.Service) bool {
		_, ours := onAny(s.Host, machines)
		return !ours
	}), nil
}

// volumesOn are the volumes that the machines' cinder-volume serves.
func (c *Cloud) volumesOn(ctx context.Context, machines []string) ([]Blocker, error) {
	of, err := c.volumeServices(ctx, machines)
	if err != nil || !slices.ContainsFunc(of, func(s volumeservices.Service) bool { return s.Binary == "cinder-volume" }) {
		return nil, err
	}
	pages, err := volumes.List(c.volume, volumes.ListOpts{AllTenants: true}).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", session.Explain(err))
	}
	all, err := volumes.ExtractVolumes(pages)
	if err != nil {
		return nil, fmt.Errorf("read volumes: %w", err)
	}
	byMachine := map[string][]string{}
	for _, v := range all {
		if machine, ours := onAny(v.Host, machines); ours {
			byMachine[machine] = append(byMachine[machine], fmt.Sprintf("%s (%s)", v.Name, v.ID))
		}
	}
	var out []Blocker
	for _, m := range machines {
		if names := byMachine[m]; len(names) > 0 {
			out = append(out, Blocker{Machine: m, What: "volumes", Names: names,
				Cure: "with the overcloud's rc file, for each: openstack volume migrate --host HOST ID, or openstack volume delete ID"})
		}
	}
	return out, nil
}

// forgetVolumes takes Cinder's services out of its table, as cinder-manage does: its API
// has no call that deletes one. Where that cannot be done they are disabled.
func (c *Cloud) forgetVolumes(ctx context.Context, machine string, sql SQL) ([]string, error) {
	all, err := c.volumeServices(ctx, []string{machine})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	why := removeRows(ctx, all, sql)
	if why == nil {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var left []string
	for _, s := range all {
		body := map[string]string{"binary": s.Binary, "host": s.Host, "disabled_reason": reason}
		_, err := c.volume.Put(ctx, c.volume.ServiceURL("os-services", "disable-log-reason"), body, nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}})
		if err = gone(err); err != nil {
			return left, fmt.Errorf("disable %s on %s: %w", s.Binary, s.Host, err)
		}
		left = append(left, fmt.Sprintf("%s on %s is disabled; Cinder's API cannot delete it, and its table could not be changed (%v): on a controller, cinder-manage service remove %s %s",
			s.Binary, s.Host, why, s.Binary, s.Host))
	}
	return left, nil
}

// rowName is what the names of Cinder's services and their hosts are made of: HOST@BACKEND.
var rowName = regexp.MustCompile(`^[A-Za-z0-9._@:#+-]+$`)

var errNoDatabase = errors.New("no machine that stays has the database")

// removeRows marks the rows of services deleted. Cinder passes over such, and a service
// that comes back makes a row of its own.
func removeRows(ctx context.Context, all []volumeservices.Service, sql SQL) error {
	if sql == nil {
		return errNoDatabase
	}
	var b strings.Builder
	for _, s := range all {
		for _, name := range []string{s.Binary, s.Host} {
			if !rowName.MatchString(name) {
				return fmt.Errorf("%q is no name of a service or host", name)
			}
		}
		fmt.Fprintf(&b, "UPDATE cinder.services SET deleted = 1, deleted_at = UTC_TIMESTAMP() WHERE deleted = 0 AND `binary` = '%s' AND host = '%s';\n", s.Binary, s.Host)
	}
	return sql(ctx, b.String())
}
