package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Frontend is what HAProxy has to know of a service that answers at the virtual
// address: role_data's key haproxy.
type Frontend struct {
	Port    int    `json:"port"`
	Path    string `json:"path,omitempty"`    // of a page that tells whether it is well; empty: whether it takes connections
	Status  int    `json:"status,omitempty"`  // of that page; 200 by default
	Inter   string `json:"inter,omitempty"`   // between two looks; by default as HAProxy's own template has it
	Timeout string `json:"timeout,omitempty"` // of connections on which nothing is said
	First   bool   `json:"first,omitempty"`   // one machine is asked, the first that is well: it has what the others have not
}

// mysqlService has its own part in HAProxy's template: one server at a time is asked.
const mysqlService = "mysql"

// haproxyService is the service that answers at the virtual address.
const haproxyService = "haproxy"

// parseFrontend reads a service's key haproxy; nil without it.
func parseFrontend(v any) (*Frontend, error) {
	if v == nil {
		return nil, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var f Frontend
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, errs.New(errs.Invalid, "haproxy must be a map of port, path, status, inter, timeout and first: %v", err)
	}
	switch {
	case f.Port < 1 || f.Port > 65535:
		return nil, errs.New(errs.Invalid, "haproxy: port must be a number from 1 to 65535, got %d", f.Port)
	case f.Path != "" && (f.Path[0] != '/' || strings.ContainsAny(f.Path, " \n")):
		return nil, errs.New(errs.Invalid, "haproxy: path must begin with /, got %q", f.Path)
	case f.Status == 0:
		f.Status = 200
	}
	return &f, nil
}

// behindAddress tells whether a service is asked at the virtual address.
func (c *configurer) behindAddress(service string) bool {
	return c.p.VirtualAddress() != "" && (service == mysqlService || c.frontends[service] != nil)
}

// frontendLines are what %{haproxy.frontends} means: a section for each service that
// wants one and runs somewhere.
func (c *configurer) frontendLines() string {
	var out []string
	for _, name := range sortedKeys(c.frontends) {
		var servers []string
		for _, m := range c.byService[name] {
			servers = append(servers, m.Name+" "+c.addressFor(name, m))
		}
		out = append(out, c.frontends[name].section(name, c.p.VirtualAddress(), servers))
	}
	return strings.Join(out, "\n\n")
}

// section: servers are names and addresses.
func (f *Frontend) section(name, address string, servers []string) string {
	lines := []string{"listen " + name, fmt.Sprintf("  bind %s:%d", address, f.Port)}
	if f.Path != "" {
		lines = append(lines, "  mode http", "  option httplog", "  option forwardfor", "  option httpchk GET "+f.Path,
			fmt.Sprintf("  http-check expect status %d", f.Status), "  http-request set-header X-Forwarded-Proto http")
	} else { // what a client has begun on one machine it goes on with there
		lines = append(lines, "  option tcplog", "  balance source")
	}
	if f.Timeout != "" {
		lines = append(lines, "  timeout client "+f.Timeout, "  timeout server "+f.Timeout)
	}
	inter := ""
	if f.Inter != "" {
		inter = " inter " + f.Inter
	}
	for i, s := range servers {
		backup := ""
		if f.First && i > 0 {
			backup = " backup"
		}
		lines = append(lines, fmt.Sprintf("  server %s:%d check%s%s", s, f.Port, inter, backup))
	}
	return strings.Join(lines, "\n")
}

// clash tells which services want the same port of the virtual address.
func (p *Plan) clash() error {
	by := map[int]string{}
	for _, r := range p.Roles {
		for i := range r.Data {
			d := &r.Data[i]
			if d.Frontend == nil {
				continue
			}
			if other := by[d.Frontend.Port]; other != "" && other != d.Name {
				names := []string{other, d.Name}
				slices.Sort(names)
				return errs.New(errs.Invalid, "services %s both want port %d of the virtual address", strings.Join(names, " and "), d.Frontend.Port)
			}
			by[d.Frontend.Port] = d.Name
		}
	}
	return nil
}
