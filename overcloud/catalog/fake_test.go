package catalog_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

type object = map[string]any

// keystone is Keystone's API v3 in memory, as far as catalogs need it: every kind of
// thing is a list of objects, and unknown attributes are kept.
type keystone struct {
	URL string

	mu     sync.Mutex
	things map[string][]object
	grants []string         // users/…/roles/… on projects/…
	calls  map[string]int   // method and kind
	fail   map[string][]int // method and kind → statuses of the next answers; after 5xx the thing is done all the same
	most   int              // requests at the same time
	now    int
	next   int
}

func newKeystone(t *testing.T) *keystone {
	t.Helper()
	k := &keystone{things: map[string][]object{}, calls: map[string]int{}, fail: map[string][]int{}}
	k.add("domains", object{"id": "default", "name": "Default"})
	k.add("projects", object{"name": "admin", "domain_id": "default"})
	k.add("users", object{"id": "admin", "name": "admin", "domain_id": "default", "password": "admin-password", "enabled": true})
	for _, role := range []string{"admin", "member", "reader"} {
		k.add("roles", object{"name": role})
	}
	k.add("services", object{"id": "keystone", "name": "keystone", "type": "identity"})
	srv := httptest.NewServer(k)
	t.Cleanup(srv.Close)
	k.URL = srv.URL + "/"
	k.add("endpoints", object{"service_id": "keystone", "interface": "public", "region_id": "regionOne", "url": k.URL + "v3"})
	return k
}

func (k *keystone) add(kind string, o object) object {
	if o["id"] == nil {
		k.next++
		o["id"] = fmt.Sprintf("%s-%d", strings.TrimSuffix(kind, "s"), k.next)
	}
	k.things[kind] = append(k.things[kind], o)
	return o
}

// ServeHTTP counts, and answers one request at a time.
func (k *keystone) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	k.mu.Lock()
	k.now++
	k.most = max(k.most, k.now)
	k.mu.Unlock()
	time.Sleep(time.Millisecond)
	parts := strings.Split(strings.Trim(strings.TrimPrefix(req.URL.Path, "/v3"), "/"), "/")
	var body map[string]object
	_ = json.NewDecoder(req.Body).Decode(&body)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now--
	call := req.Method + " " + parts[0]
	k.calls[call]++
	failed := 0
	if next := k.fail[call]; len(next) > 0 {
		failed, k.fail[call] = next[0], next[1:]
	}
	status, answer := failed, object{"error": object{"message": "as the test wants it"}}
	if failed == 0 || failed >= 500 {
		status, answer = k.answer(req, parts, body)
	}
	if failed != 0 {
		status, answer = failed, object{"error": object{"message": "as the test wants it"}}
	}
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusCreated && parts[0] == "auth" {
		w.Header().Set("X-Subject-Token", "token")
	}
	w.WriteHeader(status)
	if answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func (k *keystone) answer(req *http.Request, parts []string, body map[string]object) (int, object) {
	kind := parts[0]
	switch {
	case kind == "":
		return 200, object{"version": object{"id": "v3.14", "status": "stable", "links": []object{{"rel": "self", "href": k.URL + "v3/"}}}}
	case kind == "auth":
		return k.login(body["auth"])
	case kind == "role_assignments":
		return 200, object{kind: k.assigned(req.URL.Query())}
	case req.Method == "PUT":
		k.grants = append(k.grants, strings.Join(parts, "/"))
		return 204, nil
	case req.Method == "GET":
		return 200, object{kind: append([]object{}, shown(k.things[kind])...)}
	case req.Method == "POST":
		one := strings.TrimSuffix(kind, "s")
		o := body[one]
		if region, ok := o["region"]; ok {
			o["region_id"] = region
		}
		if kind != "endpoints" && slices.ContainsFunc(k.things[kind], func(x object) bool { return x["name"] == o["name"] && x["domain_id"] == o["domain_id"] }) {
			return 409, object{"error": object{"message": "Duplicate entry found with name " + fmt.Sprint(o["name"])}}
		}
		return 201, object{one: k.add(kind, o)}
	}
	i := slices.IndexFunc(k.things[kind], func(o object) bool { return o["id"] == parts[1] })
	switch {
	case i < 0:
		return 404, object{"error": object{"message": "Could not find " + parts[1]}}
	case req.Method == "DELETE":
		k.things[kind] = slices.Delete(k.things[kind], i, i+1)
		k.things["endpoints"] = slices.DeleteFunc(k.things["endpoints"], func(e object) bool { return e["service_id"] == parts[1] })
		return 204, nil
	}
	for key, v := range body[strings.TrimSuffix(kind, "s")] {
		k.things[kind][i][key] = v
	}
	return 200, object{strings.TrimSuffix(kind, "s"): k.things[kind][i]}
}

// shown is a copy without passwords, which Keystone never gives back.
func shown(list []object) []object {
	var out []object
	for _, o := range list {
		c := object{}
		for key, v := range o {
			if key != "password" {
				c[key] = v
			}
		}
		out = append(out, c)
	}
	return out
}

func (k *keystone) login(auth object) (int, object) {
	identity, _ := auth["identity"].(object)
	password, _ := identity["password"].(object)
	user, _ := password["user"].(object)
	for _, u := range k.things["users"] {
		if (u["id"] == user["id"] || u["name"] == user["name"]) && u["password"] == user["password"] && u["enabled"] == true {
			return 201, object{"token": object{"expires_at": "2099-01-01T00:00:00.000000Z", "catalog": []object{}}}
		}
	}
	return 401, object{"error": object{"message": "The request you have made requires authentication."}}
}

func (k *keystone) assigned(q map[string][]string) []object {
	out := []object{}
	for _, g := range k.grants {
		p := strings.Split(g, "/") // projects ID users ID roles ID
		if key := "scope." + strings.TrimSuffix(p[0], "s") + ".id"; len(q[key]) > 0 && q[key][0] == p[1] {
			out = append(out, object{"user": object{"id": p[3]}, "role": object{"id": p[5]}, "scope": object{}})
		}
	}
	return out
}

// written is the number of calls that change something.
func (k *keystone) written() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for call, times := range k.calls {
		if !strings.HasPrefix(call, "GET") && call != "POST auth" {
			n += times
		}
	}
	return n
}

// text is all that a person would look at, sorted.
func (k *keystone) text() string {
	names := map[any]string{}
	for _, list := range k.things {
		for _, o := range list {
			names[o["id"]] = fmt.Sprint(o["name"])
		}
	}
	var lines []string
	for _, u := range k.things["users"] {
		lines = append(lines, fmt.Sprintf("user %s in %s", u["name"], names[u["domain_id"]]))
	}
	for _, s := range k.things["services"] {
		lines = append(lines, fmt.Sprintf("service %s %s", s["name"], s["type"]))
	}
	for _, e := range k.things["endpoints"] {
		lines = append(lines, fmt.Sprintf("endpoint %s %s %s %s", names[e["service_id"]], e["interface"], e["region_id"], strings.ReplaceAll(e["url"].(string), k.URL, "keystone/")))
	}
	for _, kind := range []string{"roles", "projects"} {
		for _, o := range k.things[kind] {
			lines = append(lines, fmt.Sprintf("%s %s", strings.TrimSuffix(kind, "s"), o["name"]))
		}
	}
	for _, g := range k.grants {
		p := strings.Split(g, "/")
		lines = append(lines, fmt.Sprintf("grant %s is %s on %s %s", names[p[3]], names[p[5]], strings.TrimSuffix(p[0], "s"), names[p[1]]))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
