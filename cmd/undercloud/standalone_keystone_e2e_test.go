//go:build e2e

package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"trefoil/internal/openstackclient"
)

// TestRealKeystone has Debian's Keystone and Debian's client around the service.
func TestRealKeystone(t *testing.T) {
	client := openstackclient.Start(t)
	k := startKeystone(t)
	k.person("ironic", "hunter2", "service", "service")
	bob, alpha := k.person("bob", "bobs", "alpha", "reader")
	s := begin(t, keystoneConf(t, k.url, "token_cache_time = 0\n"))
	k.endpoint("baremetal", s.url)
	admin := map[string]string{"OS_AUTH_URL": k.url + "/v3", "OS_USERNAME": "admin", "OS_PASSWORD": adminPassword, "OS_USER_DOMAIN_ID": "default", "OS_SYSTEM_SCOPE": "all"}
	reader := map[string]string{"OS_AUTH_URL": k.url + "/v3", "OS_USERNAME": "bob", "OS_PASSWORD": "bobs", "OS_USER_DOMAIN_ID": "default",
		"OS_PROJECT_NAME": "alpha", "OS_PROJECT_DOMAIN_ID": "default"}
	revoked := login(t, k.url, "bob", "bobs", `{"project":{"id":"`+alpha+`"}}`)
	if code, body := s.ask("GET", "/v1/nodes", "", "X-Auth-Token", revoked); code != 200 {
		t.Errorf("before it is revoked: %d %s", code, body)
	}
	revoke(t, k, revoked)
	for _, c := range []struct {
		who           map[string]string
		command       string
		well          bool
		words, noword string
	}{
		{admin, "baremetal node create --driver fake-hardware --name n1 -f value -c name", true, "n1", ""},
		{admin, "baremetal node set n1 --owner " + alpha, true, "", ""},
		{admin, "baremetal node create --driver fake-hardware --name n2 -f value -c name", true, "n2", ""},
		{admin, "baremetal node list -f value -c Name", true, "n1\nn2\n", ""},
		{reader, "baremetal node list -f value -c Name", true, "n1\n", "n2"},
		{reader, "baremetal node delete n1", false, "403", ""},
		{map[string]string{"OS_AUTH_TYPE": "admin_token", "OS_ENDPOINT": s.url, "OS_TOKEN": revoked}, "baremetal node list", false, "401", ""},
	} {
		out, well := k.openstack(client, c.who, c.command)
		if well != c.well || !strings.Contains(out, c.words) || c.noword != "" && strings.Contains(out, c.noword) {
			t.Errorf("openstack %s of %s: %v\n%s", c.command, c.who["OS_USERNAME"], well, out)
		}
	}
	credentials(t, k, s, bob, alpha)
	in := &aService{t: t, url: s.introspection}
	for token, want := range map[string]int{k.admin: 200, login(t, k.url, "bob", "bobs", `{"project":{"id":"`+alpha+`"}}`): 403} {
		if code, body := in.ask("GET", "/v1/introspection", "", "X-Auth-Token", token); code != want {
			t.Errorf("introspection: %d %s, expected %d", code, body, want)
		}
	}
	foreign := login(t, startKeystone(t).url, "admin", adminPassword, `{"system":{"all":true}}`)
	if code, body := s.ask("GET", "/v1/nodes", "", "X-Auth-Token", foreign); code != 401 {
		t.Errorf("a token of another Keystone: %d %s", code, body)
	}
	last := login(t, k.url, "admin", adminPassword, `{"system":{"all":true}}`)
	k.stop()
	if code, body := s.ask("GET", "/v1/nodes", "", "X-Auth-Token", last); code != 503 {
		t.Errorf("without a Keystone: %d %s", code, body)
	}
	for _, secret := range []string{"hunter2", revoked, foreign, last} {
		if strings.Contains(s.log(), secret) {
			t.Error("the log has a secret")
		}
	}
}

func revoke(t *testing.T, k *realKeystone, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "DELETE", k.url+"/v3/auth/tokens", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("X-Subject-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 204 {
		t.Fatalf("revoke: %s %s", resp.Status, body)
	}
}

// credentials tries an application credential that is good for one request.
func credentials(t *testing.T, k *realKeystone, s *aService, user, project string) {
	t.Helper()
	admin := k.admin
	k.admin = login(t, k.url, "bob", "bobs", `{"project":{"id":"`+project+`"}}`) // each makes his own
	id := k.api("POST", "/users/"+user+"/application_credentials", `{"application_credential":{"name":"list","secret":"apps3cret",
		"access_rules":[{"service":"baremetal","method":"GET","path":"/v1/nodes"}]}}`)
	k.admin = admin
	resp, err := http.Post(k.url+"/v3/auth/tokens", "application/json", strings.NewReader(fmt.Sprintf(
		`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":%q,"secret":"apps3cret"}}}}`, id)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	token := resp.Header.Get("X-Subject-Token")
	for path, want := range map[string]int{"/v1/nodes": 200, "/v1/nodes/n1": 401, "/v1/drivers": 401} {
		if code, body := s.ask("GET", path, "", "X-Auth-Token", token); code != want {
			t.Errorf("%s with an application credential: %d %s, expected %d", path, code, body, want)
		}
	}
}
