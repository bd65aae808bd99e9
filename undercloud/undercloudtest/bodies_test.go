package undercloudtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"trefoil/overcloud/stack"
)

// writes are the requests with a JSON body of each service: METHOD path and, where it is not an object,
// what the body is: a list, or none where it likes. Those of users and projects, which are fixed here, are in undercloud/identity.
const writes = `
identity POST /v3/auth/tokens
network POST /v2.0/networks
network PUT /v2.0/networks/NETWORK
network PUT /v2.0/networks/NETWORK/tags
network POST /v2.0/subnets
network PUT /v2.0/subnets/SUBNET
network PUT /v2.0/subnets/SUBNET/tags
network POST /v2.0/ports
network PUT /v2.0/ports/PORT
network PUT /v2.0/ports/PORT/tags
compute POST /v2.1/flavors
compute POST /v2.1/flavors/FLAVOR/os-extra_specs
compute POST /v2.1/os-keypairs
image POST /v2/images
image PATCH /v2/images/IMAGE list
baremetal POST /v1/nodes
baremetal PATCH /v1/nodes/NODE list
baremetal PUT /v1/nodes/NODE/states/power
baremetal PUT /v1/nodes/NODE/states/provision
baremetal PUT /v1/nodes/NODE/states/raid
baremetal PUT /v1/nodes/NODE/states/boot_mode
baremetal PUT /v1/nodes/NODE/states/secure_boot
baremetal PUT /v1/nodes/NODE/states/console
baremetal PUT /v1/nodes/NODE/maintenance none
baremetal PUT /v1/nodes/NODE/management/boot_device
baremetal PUT /v1/nodes/NODE/traits
baremetal POST /v1/nodes/NODE/vifs
baremetal POST /v1/nodes/NODE/vmedia
baremetal POST /v1/ports
baremetal PATCH /v1/ports/BMPORT list
baremetal POST /v1/portgroups
baremetal PATCH /v1/portgroups/GROUP list
baremetal POST /v1/chassis
baremetal PATCH /v1/chassis/CHASSIS list
baremetal POST /v1/allocations
baremetal PATCH /v1/allocations/ALLOCATION list
baremetal POST /v1/volume/connectors
baremetal POST /v1/volume/targets
baremetal POST /v1/events
baremetal POST /v1/deploy_templates
baremetal POST /v1/runbooks
baremetal POST /v1/inspection_rules
baremetal POST /v1/heartbeat/NODE
baremetal POST /v1/continue_inspection
baremetal-introspection POST /v1/rules
baremetal-introspection POST /v1/continue
orchestration POST /v1/P/stacks
orchestration POST /v1/P/stacks/preview
orchestration PUT /v1/P/stacks/overcloud/STACK
orchestration PATCH /v1/P/stacks/overcloud/STACK
orchestration PUT /v1/P/stacks/overcloud/STACK/preview
orchestration POST /v1/P/stacks/overcloud/STACK/actions
orchestration POST /v1/P/validate
orchestration POST /v1/P/trefoil/plans
orchestration PUT /v1/P/trefoil/plans/overcloud
orchestration POST /v1/P/trefoil/plans/overcloud/parameters
orchestration POST /v1/P/trefoil/plans/overcloud/deploy
orchestration POST /v1/P/trefoil/plans/overcloud/passwords/rotate
`

// A body that is no object, or no list where one belongs, changes nothing and is the client's fault.
func TestABodyOfAnotherKindIsRefused(t *testing.T) {
	c := New(t)
	token := c.token()
	ids := c.things(token)
	for _, line := range strings.Split(strings.TrimSpace(writes), "\n") {
		f := strings.Fields(line)
		service, method, path, like := f[0], f[1], ids.Replace(f[2]), strings.Join(f[3:], "")
		other := "[]"
		if like == "list" {
			other = "{}"
		}
		for _, body := range []string{"null", " null ", other, `"x"`, "7", "true", ""} {
			if body == "" && like == "none" {
				continue
			}
			if status, answer := c.ask(service, method, path, token, body); status != 400 {
				t.Errorf("%s %q: %d %s", line, body, status, answer)
			}
		}
	}
	// Members that are null are not there.
	for line, body := range map[string]string{"network POST /v2.0/networks": `{"network":null}`, "network PUT /v2.0/networks/NETWORK/tags": `{"tags":null}`,
		"compute POST /v2.1/flavors/FLAVOR/os-extra_specs": `{"extra_specs":null}`,
		"orchestration PUT /v1/P/trefoil/plans/overcloud":  `{"input":null}`} {
		f := strings.Fields(line)
		if status, answer := c.ask(f[0], f[1], ids.Replace(f[2]), token, body); status != 400 {
			t.Errorf("%s %s: %d %s", line, body, status, answer)
		}
	}
	if jobs := c.Enqueued(); len(jobs) > 0 {
		t.Errorf("jobs were made: %v", jobs)
	}
}

// token logs in as the administrator.
func (c *Cloud) token() string {
	c.t.Helper()
	resp, err := http.Post(c.AuthURL+"/v3/auth/tokens", "application/json", strings.NewReader(`{"auth":{"identity":{"methods":["password"],
		"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"`+Password+`"}}},"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`))
	if err != nil {
		c.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("X-Subject-Token")
}

// ask sends a request to a service.
func (c *Cloud) ask(service, method, path, token, body string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.addresses[service]+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for k, v := range map[string]string{"X-Auth-Token": token, "Content-Type": "application/json", "X-OpenStack-Ironic-API-Version": "latest"} {
		req.Header.Set(k, v)
	}
	if service == "image" && method == "PATCH" {
		req.Header.Set("Content-Type", "application/openstack-images-v2.1-json-patch")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// things are what the requests are about, by their words in writes.
func (c *Cloud) things(token string) *strings.Replacer {
	t := c.t
	ids := []string{"IMAGE", c.addImage("i", "queued", 0)}
	made := func(word, service, path, member, body string) {
		status, answer := c.ask(service, "POST", path, token, body)
		var got map[string]json.RawMessage
		var one struct{ ID, UUID string }
		data := []byte(answer)
		if json.Unmarshal(data, &got) == nil && member != "" {
			data = got[member]
		}
		if err := json.Unmarshal(data, &one); err != nil || status >= 300 || one.ID+one.UUID == "" {
			t.Fatalf("%s: %d %s", word, status, answer)
		}
		ids = append(ids, word, one.ID+one.UUID)
	}
	made("NETWORK", "network", "/v2.0/networks", "network", `{"network":{"name":"n"}}`)
	net := ids[len(ids)-1]
	made("SUBNET", "network", "/v2.0/subnets", "subnet", `{"subnet":{"network_id":"`+net+`","cidr":"192.0.2.0/24","ip_version":4}}`)
	made("PORT", "network", "/v2.0/ports", "port", `{"port":{"network_id":"`+net+`"}}`)
	made("FLAVOR", "compute", "/v2.1/flavors", "flavor", `{"flavor":{"name":"f","ram":1,"vcpus":1,"disk":1}}`)
	n := c.AddNode("n", nil)
	ids = append(ids, "NODE", n.UUID)
	made("BMPORT", "baremetal", "/v1/ports", "", fmt.Sprintf(`{"node_uuid":%q,"address":"52:54:00:00:00:01"}`, n.UUID))
	made("GROUP", "baremetal", "/v1/portgroups", "", fmt.Sprintf(`{"node_uuid":%q}`, n.UUID))
	made("CHASSIS", "baremetal", "/v1/chassis", "", `{}`)
	made("ALLOCATION", "baremetal", "/v1/allocations", "", `{"resource_class":"x"}`)
	s, err := c.Stacks.Create(t.Context(), "overcloud", 1, stack.Input{})
	if err != nil {
		t.Fatal(err)
	}
	ids = append(ids, "STACK", s.ID)
	c.enqueued = nil
	return strings.NewReplacer(ids...)
}
