package api

import (
	"net/http"
	"slices"
	"strings"

	"trefoil/ironic/api/openapi"
)

// versionObject is how both discovery documents describe v1; gophercloud and
// Metal3 read the range of microversions from it.
func (c *call) versionObject() object {
	return object{
		{"id", "v1"},
		{"links", []object{{{"href", c.base() + "/v1/"}, {"rel", "self"}}}},
		{"status", "CURRENT"},
		{"min_version", versionText(minMinor)},
		{"version", versionText(maxMinor)},
	}
}

func (s *server) getRoot(c *call) error {
	c.w.Header().Set("Link", openapi.Link(c.base()))
	return c.json(http.StatusOK, object{
		{"name", "OpenStack Ironic API"},
		{"description", "Ironic is an OpenStack project which enables the provision and management of baremetal machines. " +
			"This one is Trefoil's."},
		{"default_version", c.versionObject()},
		{"versions", []object{c.versionObject()}},
	})
}

func (s *server) getV1(c *call) error {
	out := object{
		{"id", "v1"},
		{"links", []object{
			{{"href", c.base() + "/v1/"}, {"rel", "self"}},
			{{"href", "https://docs.openstack.org//ironic/latest/contributor//webapi.html"}, {"rel", "describedby"}, {"type", "text/html"}},
		}},
		{"media_types", []object{{{"base", "application/json"}, {"type", "application/vnd.openstack.ironic.v1+json"}}}},
	}
	for _, rt := range collections(append(s.guardedRoutes(), s.publicRoutes()...)) {
		if c.version >= rt.since {
			out = append(out, pair{rt.path, c.collectionLinks(rt.path)})
		}
	}
	return c.json(http.StatusOK, append(out, pair{"version", c.versionObject()}))
}

func (c *call) collectionLinks(name string) []object {
	return []object{
		{{"href", c.base() + "/v1/" + name + "/"}, {"rel", "self"}},
		{{"href", c.base() + "/" + name + "/"}, {"rel", "bookmark"}},
	}
}

// collections are the first words of the paths under /v1, each with the version
// of its first route.
func collections(routes []route) []route {
	var out []route
	for _, rt := range routes {
		name, under := strings.CutPrefix(rt.path, "/v1/")
		name, _, _ = strings.Cut(name, "/")
		if under && !slices.ContainsFunc(out, func(c route) bool { return c.path == name }) {
			out = append(out, route{path: name, since: rt.since})
		}
	}
	return out
}
