package api

import (
	"slices"
	"strings"
)

// rules names the policy (ironic/policy) of each method of a route; "" is for all
// methods. A name that ends in * says that the handler asks for the exact policy
// itself, because it depends on the body or on each row of a list: at the door one
// of those that begin so is enough, for something of the caller's own where the
// path names nothing.
//
// A new route names its rules in its literal, `rules: rules{"PUT": "baremetal:…"}`.
// What has none there and none below is taken from the path: baremetal:volume:create
// for a POST to /v1/volume/targets. Where the path names no node, port, portgroup,
// volume, allocation or runbook, a role in the project that owns something does not count. A role
// that the policy's row has under "whatever the token is for" (ironic/policy, docs/roles.md)
// counts also there: so look at the row, and have the handler ask for what it does not say.
type rules = map[string]string

// openToAll makes routes of which nobody is asked who he is.
func openToAll(routes []route) []route {
	for i := range routes {
		routes[i].open = true
	}
	return routes
}

// rulesOf has the policy of every method of a route; "": there is none, and only
// whoever may do everything is let in.
func (s *server) rulesOf(rt route) rules {
	out := rules{}
	below := routeRules()[withoutNames(rt.path)]
	for method := range rt.methods {
		for _, name := range []string{rt.rules[method], rt.rules[""], below[method], below[""], s.derivedRule(method, rt.path)} {
			if out[method] == "" {
				out[method] = name
			}
		}
	}
	return out
}

// withoutNames turns /v1/nodes/{node}/ports into /v1/nodes/{}/ports.
func withoutNames(path string) string {
	words := strings.Split(path, "/")
	for i, w := range words {
		if strings.HasPrefix(w, "{") {
			words[i] = "{}"
		}
	}
	return strings.Join(words, "/")
}

// derivedRule finds the policy that a path and a method suggest.
func (s *server) derivedRule(method, path string) string {
	words := strings.Split(strings.TrimPrefix(withoutNames(path), "/v1/"), "/")
	single := words[len(words)-1] == "{}"
	if words = slices.DeleteFunc(words, func(w string) bool { return w == "{}" }); len(words) == 0 {
		return ""
	}
	verbs := map[string][]string{"GET": {"get"}, "POST": {"create", "post", "attach"}, "PUT": {"update", "set"},
		"PATCH": {"update", "set"}, "DELETE": {"delete", "detach"}}[method]
	if method == "GET" && !single {
		verbs = []string{"list_all", "get"}
	}
	var things []string
	if words[0] == "nodes" && len(words) > 1 {
		things = []string{"node:" + words[1]}
		words = words[1:]
	}
	things = append(things, strings.TrimSuffix(words[0], "s"), words[0])
	for _, thing := range things {
		for _, verb := range verbs {
			if name := "baremetal:" + thing + ":" + verb; s.policies.Known(name) {
				return name
			}
		}
	}
	return ""
}

// routeRules are the policies of paths that say too little.
func routeRules() map[string]rules {
	all := map[string]rules{
		"/v1/nodes":          {"GET": "baremetal:node:list*", "POST": "baremetal:node:create*"},
		"/v1/nodes/detail":   {"GET": "baremetal:node:list*"},
		"/v1/nodes/validate": {"GET": "baremetal:node:validate*"},
		"/v1/nodes/{}":       {"PATCH": "baremetal:node:update*", "DELETE": "baremetal:node:delete*"},

		"/v1/ports":                      {"GET": "baremetal:port:list*", "POST": "baremetal:port:create*"},
		"/v1/ports/detail":               {"GET": "baremetal:port:list*"},
		"/v1/nodes/{}/ports":             {"GET": "baremetal:port:list*"},
		"/v1/nodes/{}/ports/detail":      {"GET": "baremetal:port:list*"},
		"/v1/portgroups/{}/ports":        {"GET": "baremetal:port:list*"},
		"/v1/portgroups/{}/ports/detail": {"GET": "baremetal:port:list*"},

		"/v1/portgroups":                 {"GET": "baremetal:portgroup:list*", "POST": "baremetal:portgroup:create*"},
		"/v1/portgroups/detail":          {"GET": "baremetal:portgroup:list*"},
		"/v1/nodes/{}/portgroups":        {"GET": "baremetal:portgroup:list*"},
		"/v1/nodes/{}/portgroups/detail": {"GET": "baremetal:portgroup:list*"},

		"/v1/volume":                     {"GET": "baremetal:volume:list*"},
		"/v1/volume/connectors":          {"GET": "baremetal:volume:list*", "POST": "baremetal:volume:create*"},
		"/v1/volume/targets":             {"GET": "baremetal:volume:list*", "POST": "baremetal:volume:create*"},
		"/v1/nodes/{}/volume/connectors": {"GET": "baremetal:volume:list*"},
		"/v1/nodes/{}/volume/targets":    {"GET": "baremetal:volume:list*"},

		"/v1/allocations":         {"GET": "baremetal:allocation:list*", "POST": "baremetal:allocation:create*"},
		"/v1/nodes/{}/allocation": {"": "baremetal:node:get"}, // its own policy is asked for when it is found

		"/v1/runbooks":    {"GET": "baremetal:runbook:list*"},
		"/v1/runbooks/{}": {"PATCH": "baremetal:runbook:update*"},

		"/v1/chassis/{}/nodes":                          {"GET": "baremetal:chassis:get"},
		"/v1/chassis/{}/nodes/detail":                   {"GET": "baremetal:chassis:get"},
		"/v1/drivers/{}/properties":                     {"GET": "baremetal:driver:get_properties"},
		"/v1/drivers/{}/raid/logical_disk_properties":   {"GET": "baremetal:driver:get_raid_logical_disk_properties"},
		"/v1/drivers/{}/vendor_passthru":                {"": "baremetal:driver:vendor_passthru"},
		"/v1/drivers/{}/vendor_passthru/{}":             {"": "baremetal:driver:vendor_passthru"},
		"/v1/drivers/{}/vendor_passthru/methods":        {"": "baremetal:driver:vendor_passthru"},
		"/v1/nodes/{}/vendor_passthru":                  {"": "baremetal:node:vendor_passthru"},
		"/v1/nodes/{}/vendor_passthru/{}":               {"": "baremetal:node:vendor_passthru"},
		"/v1/nodes/{}/vendor_passthru/methods":          {"": "baremetal:node:vendor_passthru"},
		"/v1/nodes/{}/management/boot_device":           {"GET": "baremetal:node:get_boot_device", "PUT": "baremetal:node:set_boot_device"},
		"/v1/nodes/{}/management/boot_device/supported": {"GET": "baremetal:node:get_boot_device"},
		"/v1/nodes/{}/management/inject_nmi":            {"PUT": "baremetal:node:inject_nmi"},
		"/v1/nodes/{}/management/indicators":            {"GET": "baremetal:node:get_indicator_state"},
		"/v1/nodes/{}/management/indicators/{}":         {"GET": "baremetal:node:get_indicator_state", "PUT": "baremetal:node:set_indicator_state"},
		"/v1/nodes/{}/management/indicators/{}/{}":      {"GET": "baremetal:node:get_indicator_state", "PUT": "baremetal:node:set_indicator_state"},
		"/v1/nodes/{}/volume":                           {"GET": "baremetal:node:get"},
	}
	for path, r := range nodeRules() {
		all["/v1/nodes/{}/"+path] = r
	}
	return all
}

// nodeRules are those of what lies below a node.
func nodeRules() map[string]rules {
	return map[string]rules{
		"children":           {"GET": "baremetal:node:get"},
		"validate":           {"GET": "baremetal:node:validate"},
		"maintenance":        {"PUT": "baremetal:node:set_maintenance", "DELETE": "baremetal:node:clear_maintenance"},
		"states":             {"GET": "baremetal:node:get_states"},
		"states/power":       {"PUT": "baremetal:node:set_power_state"},
		"states/provision":   {"PUT": "baremetal:node:set_provision_state"},
		"states/raid":        {"PUT": "baremetal:node:set_raid_state"},
		"states/boot_mode":   {"PUT": "baremetal:node:set_boot_mode"},
		"states/secure_boot": {"PUT": "baremetal:node:set_secure_boot"},
		"states/console":     {"GET": "baremetal:node:get_console", "PUT": "baremetal:node:set_console_state"},
		"traits":             {"GET": "baremetal:node:traits:list", "PUT": "baremetal:node:traits:set", "DELETE": "baremetal:node:traits:delete"},
		"traits/{}":          {"PUT": "baremetal:node:traits:set", "DELETE": "baremetal:node:traits:delete"},
		"vifs":               {"GET": "baremetal:node:vif:list", "POST": "baremetal:node:vif:attach"},
		"vifs/{}":            {"DELETE": "baremetal:node:vif:detach"},
	}
}
