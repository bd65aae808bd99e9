package api

import (
	"maps"
	"net/http"
	"slices"

	"trefoil/ironic"
)

// InterfaceCatalog is what a Conductor may also be: it names, for a hardware
// type, the implementations of each interface ("boot" → ipxe, pxe), the default
// first. Without it the API shows the defaults that CheckCreate fills in.
type InterfaceCatalog interface {
	DriverInterfaces(driver string) map[string][]string
}

// driverInterfaces is the catalog of one hardware type, as far as it is known.
func (s *server) driverInterfaces(c *call, driver string) map[string][]string {
	if catalog, ok := s.conductor.(InterfaceCatalog); ok {
		return catalog.DriverInterfaces(driver)
	}
	probe := &ironic.Node{Driver: driver}
	if err := s.conductor.CheckCreate(c.ctx(), probe); err != nil {
		return nil
	}
	out := map[string][]string{}
	for name, implementation := range probe.Interfaces {
		out[name] = []string{implementation}
	}
	return out
}

func (s *server) renderDriver(c *call, name string, detail bool) object {
	out := object{{"name", name}, {"hosts", []string{s.conductor.Host()}}, {"links", c.links("drivers/" + name)},
		{"properties", c.links("drivers/" + name + "/properties")}}
	if c.version >= 30 {
		out = append(out, pair{"type", "dynamic"})
	}
	if !detail || c.version < 30 {
		return out
	}
	known := s.driverInterfaces(c, name)
	for _, i := range interfaceVersions() {
		if c.version < max(i.since, 30) && i.since > 31 {
			continue
		}
		enabled := known[i.name]
		var first any
		if len(enabled) > 0 {
			first = enabled[0]
		} else {
			enabled = []string{}
		}
		out = append(out, pair{"default_" + i.name + "_interface", first}, pair{"enabled_" + i.name + "_interfaces", enabled})
	}
	return out
}

func (s *server) listDrivers(c *call) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	kind := l.filters.Get("type")
	switch {
	case (kind != "" || l.detail) && c.version < 30:
		return tooNew("type or detail of drivers", 30, c.version)
	case l.fields != nil && c.version < 77:
		return tooNew("fields of drivers", 77, c.version)
	case kind != "" && kind != "dynamic" && kind != "classic":
		return badRequest("Invalid driver type '%s': expected classic or dynamic", kind)
	}
	names := s.conductor.Drivers()
	if kind == "classic" {
		names = nil
	}
	slices.Sort(names)
	list := []object{}
	for _, name := range names {
		o, err := pick(s.renderDriver(c, name, l.detail || l.fields != nil), l.fields)
		if err != nil {
			return err
		}
		list = append(list, o)
	}
	return c.json(http.StatusOK, object{{"drivers", list}})
}

// pick keeps the named members of an object and its links.
func pick(o object, names []string) (object, error) {
	if names == nil {
		return o, nil
	}
	var out object
	for _, name := range names {
		i := slices.IndexFunc(o, func(p pair) bool { return p.key == name })
		if i < 0 {
			return nil, badRequest("Field(s) \"%s\" are not valid.", name).choosing(name, o.names())
		}
		if name != "links" {
			out = append(out, o[i])
		}
	}
	if i := slices.IndexFunc(o, func(p pair) bool { return p.key == "links" }); i >= 0 {
		out = append(out, o[i])
	}
	return out, nil
}

func (s *server) driver(c *call) (string, error) {
	name := c.r.PathValue("driver")
	if !slices.Contains(s.conductor.Drivers(), name) {
		return "", clientError(http.StatusNotFound, "Could not find the following driver(s) or hardware type(s): %s.", name).choosing(name, s.conductor.Drivers())
	}
	return name, nil
}

func (s *server) getDriver(c *call) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	if l.fields != nil && c.version < 77 {
		return tooNew("fields of a driver", 77, c.version)
	}
	name, err := s.driver(c)
	if err != nil {
		return err
	}
	o, err := pick(s.renderDriver(c, name, true), l.fields)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, o)
}

func (s *server) driverProperties(c *call) error {
	name, err := s.driver(c)
	if err != nil {
		return err
	}
	properties, err := s.conductor.DriverProperties(name)
	if err != nil {
		return err
	}
	out := object{}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		out = append(out, pair{key, properties[key]})
	}
	return c.json(http.StatusOK, out)
}

// renderConductor shows the one conductor there is: the process that answers.
func (s *server) renderConductor(c *call, detail bool) object {
	host := s.conductor.Host()
	out := object{{"hostname", host}, {"conductor_group", ""}, {"links", c.links("conductors/" + host)}, {"alive", true}}
	if detail {
		drivers := s.conductor.Drivers()
		slices.Sort(drivers)
		out = append(out, pair{"drivers", drivers}, pair{"created_at", timeText(s.started)}, pair{"updated_at", timeText(s.now())})
	}
	return out
}

func (s *server) listConductors(c *call) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	o, err := pick(s.renderConductor(c, l.detail || l.fields != nil), l.fields)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, object{{"conductors", []object{o}}})
}

func (s *server) getConductor(c *call) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	if host := c.r.PathValue("host"); host != s.conductor.Host() {
		return clientError(http.StatusNotFound, "Conductor %s cannot be found.", host)
	}
	o, err := pick(s.renderConductor(c, true), l.fields)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, o)
}

// listShards counts nodes by shard; nodes without one count as "None".
func (s *server) listShards(c *call) error {
	count, err := s.store.CountShards(c.ctx())
	if err != nil {
		return err
	}
	if none, ok := count[""]; ok {
		delete(count, "")
		count["None"] += none
	}
	list := []object{}
	for _, name := range slices.Sorted(maps.Keys(count)) {
		list = append(list, object{{"name", name}, {"count", count[name]}})
	}
	return c.json(http.StatusOK, object{{"shards", list}})
}
