package api

import "net/http"

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
	for _, collection := range []struct {
		name  string
		since int
	}{
		{"chassis", 1}, {"nodes", 1}, {"ports", 1}, {"drivers", 1}, {"lookup", 22}, {"heartbeat", 22},
		{"portgroups", 23}, {"conductors", 49}, {"shards", 82},
	} {
		if c.version >= collection.since {
			out = append(out, pair{collection.name, c.collectionLinks(collection.name)})
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
