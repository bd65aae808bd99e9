package catalog_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/catalog"
	"trefoil/overcloud/plan"
)

// resource is what Nova's and Placement's templates say.
func resource(name, service, url string) plan.KeystoneResource {
	return plan.KeystoneResource{Name: name, Service: service, Region: "regionOne", Endpoints: map[string]string{"public": url, "internal": url, "admin": url},
		Users: []plan.KeystoneUser{{Name: name, Password: name + "-password", Project: "service", Roles: []string{"admin", "service"}}}}
}

func want(k *keystone, resources ...plan.KeystoneResource) catalog.Want {
	return catalog.Want{Stack: "overcloud", URL: k.URL, AdminPassword: "admin-password", Resources: resources}
}

func ensure(t *testing.T, w catalog.Want) []string {
	t.Helper()
	changes, err := catalog.Keystone{Poll: time.Millisecond}.Ensure(context.Background(), w)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(changes, "\n"); strings.Contains(text, "-password") {
		t.Errorf("a password is told: %s", text)
	}
	return changes
}

func TestEnsureMakesTheCatalog(t *testing.T) {
	k := newKeystone(t)
	heat := resource("heat", "orchestration", "http://10.0.0.1:8004/v1/%(project_id)s")
	heat.Roles, heat.Domains = []string{"heat_stack_user"}, []string{"heat_stack"}
	heat.Users = append(heat.Users, plan.KeystoneUser{Name: "heat_admin", Password: "x-password", Domain: "heat_stack", Roles: []string{"admin"}})
	ensure(t, want(k, resource("nova", "compute", "http://10.0.0.1:8774/v2.1"), heat))
	const expected = `endpoint heat admin regionOne http://10.0.0.1:8004/v1/%(project_id)s
endpoint heat internal regionOne http://10.0.0.1:8004/v1/%(project_id)s
endpoint heat public regionOne http://10.0.0.1:8004/v1/%(project_id)s
endpoint keystone public regionOne keystone/v3
endpoint nova admin regionOne http://10.0.0.1:8774/v2.1
endpoint nova internal regionOne http://10.0.0.1:8774/v2.1
endpoint nova public regionOne http://10.0.0.1:8774/v2.1
grant heat is admin on project service
grant heat is service on project service
grant heat_admin is admin on domain heat_stack
grant nova is admin on project service
grant nova is service on project service
project admin
project service
role admin
role heat_stack_user
role member
role reader
role service
service heat orchestration
service keystone identity
service nova compute
user admin in Default
user heat in Default
user heat_admin in heat_stack
user nova in Default`
	if got := k.text(); got != expected {
		t.Errorf("got\n%s\nwant\n%s", got, expected)
	}
	if k.most < 2 {
		t.Errorf("at most %d request at a time; a slow Keystone is to be asked side by side", k.most)
	}
}

func TestASecondTimeNothingIsWrittenAndLittleIsRead(t *testing.T) {
	k := newKeystone(t)
	w := want(k, resource("nova", "compute", "http://10.0.0.1:8774/v2.1"), resource("placement", "placement", "http://10.0.0.1:8778"))
	ensure(t, w)
	written := k.written()
	k.calls = map[string]int{}
	if changes := ensure(t, w); len(changes) > 0 || k.written() > 0 {
		t.Errorf("changed %v, %d writing calls (%d at first): %v", changes, k.written(), written, k.calls)
	}
	all := 0
	for _, n := range k.calls {
		all += n
	}
	if all > 11 { // find the version, log in, six lists, grants, a login for each of two users
		t.Errorf("%d calls where nothing changed: %v", all, k.calls)
	}
}

func TestOnlyWhatDiffersIsChanged(t *testing.T) {
	k := newKeystone(t)
	ensure(t, want(k, resource("nova", "compute", "http://10.0.0.1:8774/v2.1")))
	moved := resource("nova", "compute", "http://10.0.0.1:8774/v2.1")
	moved.Endpoints["public"] = "http://192.0.2.1:8774/v2.1"
	moved.Users[0].Password = "rotated-password"
	changes := ensure(t, want(k, moved))
	slices.Sort(changes)
	if got := strings.Join(changes, "; "); got != "set the URL of endpoint nova public; set the password of user nova" {
		t.Errorf("changed: %s", got)
	}
	if !strings.Contains(k.text(), "endpoint nova public regionOne http://192.0.2.1:8774/v2.1") {
		t.Error(k.text())
	}
	if again := ensure(t, want(k, moved)); len(again) > 0 {
		t.Errorf("again: %v", again)
	}
}

func TestWhatThePlanHasNoLongerGoesAndWhatPeopleMadeStays(t *testing.T) {
	k := newKeystone(t)
	ensure(t, want(k, resource("nova", "compute", "http://10.0.0.1:8774"), resource("cinder", "volumev3", "http://10.0.0.1:8776")))
	k.add("services", object{"id": "mine", "name": "mine", "type": "object-store"})
	k.add("endpoints", object{"service_id": "mine", "interface": "public", "region_id": "regionOne", "url": "http://mine"})
	k.add("users", object{"name": "mary", "domain_id": "default"})
	k.add("services", object{"id": "other", "name": "other", "type": "dns", "trefoil_stack": "another"})
	ensure(t, want(k, resource("nova", "compute", "http://10.0.0.1:8774")))
	text := k.text()
	for _, stays := range []string{"service mine object-store", "endpoint mine public", "user mary", "service other dns", "service nova compute", "service keystone identity", "user admin"} {
		if !strings.Contains(text, stays) {
			t.Errorf("%s is gone:\n%s", stays, text)
		}
	}
	if strings.Contains(text, "endpoint cinder") || strings.Contains(text, "service cinder") || strings.Contains(text, "user cinder") {
		t.Errorf("cinder is still there:\n%s", text)
	}
	noAdmin := resource("nova", "compute", "http://10.0.0.1:8774")
	delete(noAdmin.Endpoints, "admin")
	if changes := ensure(t, want(k, noAdmin)); len(changes) != 1 || changes[0] != "deleted endpoint admin http://10.0.0.1:8774" {
		t.Errorf("without its admin endpoint: %v", changes)
	}
}

func TestLostAnswersAndAbsencesArePassedOver(t *testing.T) {
	k := newKeystone(t)
	k.fail["POST auth"] = []int{503}
	k.fail["POST users"] = []int{504}
	k.fail["POST endpoints"] = []int{502}
	k.fail["GET services"] = []int{503}
	k.fail["GET endpoints"] = []int{403} // the administrator is not yet one in Keystone's cache
	w := want(k, resource("nova", "compute", "http://10.0.0.1:8774"))
	ensure(t, w)
	if n := strings.Count(k.text(), "endpoint nova"); n != 3 {
		t.Errorf("%d endpoints of nova:\n%s", n, k.text())
	}
	if changes := ensure(t, w); len(changes) > 0 {
		t.Errorf("again: %v", changes)
	}
}

func TestWhatDoesNotPassIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*keystone, *catalog.Want)
		code   errs.Code
		says   string
	}{
		"wrong password":      {func(_ *keystone, w *catalog.Want) { w.AdminPassword = "wrong" }, errs.Unauthorized, "log in to"},
		"refused":             {func(k *keystone, _ *catalog.Want) { k.fail["POST services"] = slices.Repeat([]int{403}, 1000) }, errs.Forbidden, "create service nova"},
		"conflict for good":   {func(k *keystone, _ *catalog.Want) { k.fail["POST users"] = []int{409, 409, 409, 409, 409} }, errs.Conflict, "create user nova"},
		"nobody ever answers": {func(k *keystone, w *catalog.Want) { w.URL = "http://127.0.0.1:1/" }, errs.Unavailable, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeystone(t)
			w := want(k, resource("nova", "compute", "http://10.0.0.1:8774"))
			c.change(k, &w)
			k.calls = map[string]int{}
			_, err := catalog.Keystone{Patience: 20 * time.Millisecond, Poll: time.Millisecond}.Ensure(t.Context(), w)
			if !errs.Is(err, c.code) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "-password") || strings.Contains(errs.HintOf(err), "undercloud") {
				t.Errorf("%v (hint %q)", err, errs.HintOf(err))
			}
		})
	}
}
