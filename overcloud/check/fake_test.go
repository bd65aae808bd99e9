package check_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"trefoil/overcloud/session"
)

// lateness is longer than a removal takes to look at everything once.
const lateness = 100 * time.Millisecond

type row = map[string]any

// fakeCloud is an overcloud that keeps what it is told: Keystone, Nova, Neutron, Glance
// and Cinder with just the rules that the check depends on. Its guests tell on their
// consoles what they would see.
type fakeCloud struct {
	sync.Mutex
	url  string
	rows map[string][]row // by collection, in order of creation
	next int

	hosts               []string
	noVolume, noNetwork bool              // no such service in the catalog
	building            int               // looks at a server until it is ACTIVE; 0: at once
	faults              map[string]string // server's last letter → fault: it goes to ERROR
	refuse              map[string]string // "POST servers" → body of a 403
	mute                string            // facts with this text stay untold
	late                string            // "POST volumes": its connection breaks, and what it asks for is made later
	busy                sync.WaitGroup    // requests, also those that nobody awaits the answer of
	looked              func(path string) // before each request, one at a time
}

func newFake(t *testing.T) (*fakeCloud, *session.Session) {
	t.Helper()
	f := &fakeCloud{rows: map[string][]row{}, hosts: []string{"overcloud-novacompute-0", "overcloud-novacompute-1"}, faults: map[string]string{}, refuse: map[string]string{}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f, f.login(t)
}

func (f *fakeCloud) login(t *testing.T) *session.Session {
	t.Helper()
	s, err := session.Open(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: f.url + "/v3", Username: "admin", Password: "hunter2", DomainName: "Default"},
		gophercloud.EndpointOpts{}, nil, session.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ServeHTTP knows paths of the form /service/version/collection[/id[/action]].
func (f *fakeCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.busy.Add(1)
	defer f.busy.Done()
	sent, _ := io.ReadAll(r.Body) // all of it: a client that still writes would see its connection break
	f.Lock()
	defer f.Unlock()
	if f.looked != nil {
		f.looked(r.Method + " " + r.URL.Path)
	}
	if strings.HasPrefix(r.URL.Path, "/v3/auth/tokens") {
		f.token(w)
		return
	}
	p := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(p) < 3 { // what versions are there?
		reply(w, http.StatusOK, row{"versions": []row{{"id": "v2.0", "status": "CURRENT"}}})
		return
	}
	coll, rest := p[2], p[3:]
	if coll == "os-hypervisors" || coll == "os-services" || coll == "agents" {
		f.infrastructure(w, p[0], coll)
		return
	}
	if body, ok := f.refuse[r.Method+" "+coll]; ok {
		reply(w, http.StatusForbidden, json.RawMessage(body))
		return
	}
	if coll == "servers" && r.Method == http.MethodGet && f.building > 0 {
		f.build()
	}
	body := row{}
	_ = json.Unmarshal(sent, &body) // an upload is no JSON
	if f.late == r.Method+" "+coll {
		f.makeLate(coll, body)
	}
	switch {
	case len(rest) == 0 && r.Method == http.MethodPost:
		f.create(w, coll, body)
	case len(rest) == 0:
		f.list(w, r, coll)
	case len(rest) == 1 && r.Method == http.MethodDelete:
		f.delete(w, coll, rest[0])
	case len(rest) == 1:
		f.show(w, coll, rest[0])
	default:
		f.act(w, r.Method, coll, rest, body)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body)
	}
}

func (f *fakeCloud) token(w http.ResponseWriter) {
	w.Header().Set("X-Subject-Token", "token")
	catalog := []row{}
	for kind, path := range map[string]string{"compute": "compute/v2.1", "network": "network", "image": "image", "volumev3": "volume/v3"} {
		if kind == "volumev3" && f.noVolume || kind == "network" && f.noNetwork {
			continue
		}
		catalog = append(catalog, row{"type": kind, "name": kind, "endpoints": []row{{"interface": "public", "region": "regionOne", "region_id": "regionOne", "url": f.url + "/" + path + "/"}}})
	}
	reply(w, http.StatusCreated, row{"token": row{"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": catalog}})
}

func (f *fakeCloud) infrastructure(w http.ResponseWriter, service, coll string) {
	rows := []row{}
	for _, h := range f.hosts {
		switch {
		case coll == "os-hypervisors":
			rows = append(rows, row{"hypervisor_hostname": h, "service": row{"host": h}})
		case coll == "agents":
			rows = append(rows, row{"agent_type": "Open vSwitch agent", "host": h, "alive": true, "admin_state_up": true})
		case service == "compute":
			rows = append(rows, row{"binary": "nova-compute", "host": h, "state": "up", "status": "enabled", "zone": "nova"})
		}
	}
	if service == "volume" {
		rows = append(rows, row{"binary": "cinder-volume", "host": "overcloud-controller-0@tripleo_iscsi", "state": "up", "status": "enabled"})
	}
	reply(w, http.StatusOK, row{strings.TrimPrefix(coll, "os-"): rows})
}

// build is a look at servers that are being built.
func (f *fakeCloud) build() {
	f.building--
	for _, o := range f.rows["servers"] {
		if f.building == 0 && o["status"] == "BUILD" {
			o["status"] = "ACTIVE"
		}
	}
}

// singular is the key of one object of a collection.
func singular(coll string) string {
	return strings.ReplaceAll(strings.TrimSuffix(coll, "s"), "-", "_")
}

func (f *fakeCloud) create(w http.ResponseWriter, coll string, body row) {
	o := body
	if inner, ok := body[singular(coll)].(map[string]any); ok {
		o = inner
	}
	f.next++
	id := fmt.Sprintf("id-%d", f.next)
	o["id"], o["status"] = id, "ACTIVE"
	switch coll {
	case "networks":
		o["subnets"] = []string{}
	case "subnets":
		n := f.find("networks", o["network_id"].(string))
		n["subnets"] = append(n["subnets"].([]string), id)
	case "ports":
		o["fixed_ips"] = []row{{"ip_address": fmt.Sprintf("10.213.%d.%d", slices.IndexFunc(f.rows["networks"], func(n row) bool { return n["id"] == o["network_id"] })+1, 10+f.next)}}
	case "floatingips":
		o["floating_ip_address"] = "10.0.0.100"
	case "images":
		o["status"] = "queued"
	case "volumes":
		o["status"] = "available"
	case "servers":
		if f.building > 0 {
			o["status"], o["OS-EXT-STS:task_state"] = "BUILD", "spawning"
		}
		if why := f.faults[o["name"].(string)[len(o["name"].(string))-1:]]; why != "" {
			o["status"], o["fault"] = "ERROR", row{"code": 500, "message": why, "created": "2026-01-01T00:00:00Z"}
		}
	}
	f.rows[coll] = append(f.rows[coll], o)
	status := http.StatusCreated
	switch coll {
	case "images":
		reply(w, status, o)
		return
	case "servers", "volumes":
		status = http.StatusAccepted
	case "flavors":
		status = http.StatusOK
	}
	reply(w, status, row{singular(coll): o})
}

// makeLate gives no answer, and makes it when a removal has looked.
func (f *fakeCloud) makeLate(coll string, body row) {
	f.late = ""
	f.busy.Add(1)
	time.AfterFunc(lateness, func() {
		defer f.busy.Done()
		f.Lock()
		defer f.Unlock()
		f.create(httptest.NewRecorder(), coll, body)
	})
	panic(http.ErrAbortHandler)
}

func (f *fakeCloud) list(w http.ResponseWriter, r *http.Request, coll string) {
	rows := []row{}
	for _, o := range f.rows[coll] {
		q := r.URL.Query()
		if d := q.Get("device_id"); d != "" && o["device_id"] != d {
			continue
		}
		if st := q.Get("status"); st != "" && (o["status"] != st || !regexp.MustCompile(q.Get("name")).MatchString(o["name"].(string))) {
			continue
		}
		rows = append(rows, o)
	}
	reply(w, http.StatusOK, row{strings.ReplaceAll(coll, "-", "_"): rows})
}

func (f *fakeCloud) find(coll, id string) row {
	for _, o := range f.rows[coll] {
		if o["id"] == id {
			return o
		}
	}
	return nil
}

func (f *fakeCloud) show(w http.ResponseWriter, coll, id string) {
	o := f.find(coll, id)
	switch {
	case o == nil:
		reply(w, http.StatusNotFound, row{"itemNotFound": row{"message": coll + " " + id + " could not be found."}})
	case coll == "images":
		reply(w, http.StatusOK, o)
	default:
		reply(w, http.StatusOK, row{singular(coll): o})
	}
}

// delete refuses what the real services refuse: a network with ports, a router with interfaces, a volume or group in use.
func (f *fakeCloud) delete(w http.ResponseWriter, coll, id string) {
	uses := map[string]string{"networks": "network_id", "routers": "device_id"}[coll]
	for _, p := range f.rows["ports"] {
		if uses != "" && p[uses] == id || coll == "security-groups" && p["security_groups"] != nil {
			reply(w, http.StatusConflict, row{"NeutronError": row{"message": coll + " " + id + " is in use", "type": "InUse"}})
			return
		}
	}
	f.rows[coll] = slices.DeleteFunc(f.rows[coll], func(o row) bool { return o["id"] == id })
	if coll == "servers" {
		for _, v := range f.rows["volumes"] { // there is one, of server a
			v["status"] = "available"
		}
	}
	reply(w, http.StatusNoContent, nil)
}

func (f *fakeCloud) act(w http.ResponseWriter, method, coll string, rest []string, body row) {
	o := f.find(coll, rest[0])
	switch coll + " " + rest[1] {
	case "images file":
		o["status"] = "active"
		reply(w, http.StatusNoContent, nil)
	case "routers add_router_interface":
		for _, n := range f.rows["networks"] {
			if slices.Contains(n["subnets"].([]string), body["subnet_id"].(string)) {
				f.next++
				f.rows["ports"] = append(f.rows["ports"], row{"id": fmt.Sprintf("id-%d", f.next), "name": "", "network_id": n["id"], "device_id": rest[0], "device_owner": "network:router_interface"})
			}
		}
		reply(w, http.StatusOK, row{"id": rest[0]})
	case "routers remove_router_interface":
		f.rows["ports"] = slices.DeleteFunc(f.rows["ports"], func(p row) bool { return p["id"] == body["port_id"] })
		reply(w, http.StatusOK, row{"id": rest[0]})
	case "servers action":
		reply(w, http.StatusOK, row{"output": f.console(o)})
	case "servers os-volume_attachments":
		if method == http.MethodDelete {
			f.find("volumes", rest[2])["status"] = "available"
			o["told"] = o["told"].(string) + "\r\ncheck disk vdb gone\r\n"
			reply(w, http.StatusAccepted, nil)
			return
		}
		v := body["volumeAttachment"].(map[string]any)["volumeId"].(string)
		f.find("volumes", v)["status"] = "in-use"
		o["told"] = "\r\ncheck disk vdb 1073741824\r\n"
		reply(w, http.StatusOK, row{"volumeAttachment": row{"id": v, "volumeId": v, "serverId": rest[0], "device": "/dev/vdb"}})
	}
}

// console is what the guest of a server would tell.
func (f *fakeCloud) console(o row) string {
	var b strings.Builder
	b.WriteString("SeaBIOS (version 1.16.2)\r\n[    0.000000] Linux\r\n")
	say := func(fact string) {
		if f.mute == "" || !strings.Contains(fact, f.mute) {
			fmt.Fprintf(&b, "\r\ncheck %s\r\n", fact)
		}
	}
	for _, n := range o["networks"].([]any) {
		p := f.find("ports", n.(map[string]any)["port"].(string))
		say("dhcp " + p["fixed_ips"].([]row)[0]["ip_address"].(string))
	}
	say("metadata " + o["name"].(string) + ".novalocal")
	data, err := base64.StdEncoding.DecodeString(o["user_data"].(string))
	if err != nil {
		return "bad user data"
	}
	for line := range strings.Lines(string(data)) {
		say(strings.TrimSpace(line) + " ok")
	}
	told, _ := o["told"].(string)
	return b.String() + told
}

// left names all that checks have made and that is still there.
func (f *fakeCloud) left() []string {
	f.Lock()
	defer f.Unlock()
	var out []string
	for coll, rows := range f.rows {
		for _, o := range rows {
			if coll != "subnets" && coll != "security-group-rules" { // they go with what they belong to
				out = append(out, fmt.Sprintf("%s %v%v", coll, o["name"], o["description"]))
			}
		}
	}
	slices.Sort(out)
	return out
}
