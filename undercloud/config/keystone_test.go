package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const aKeystone = "auth_strategy = keystone\n[keystone_authtoken]\n"

func TestAKeystoneSection(t *testing.T) {
	s, _, err := loadText(t, "listen = 192.0.2.1:6385\n"+aKeystone+`auth_url = http://keystone:5000
username = ironic
password_file = /etc/trefoil/keystone-password
project_name = service
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Keystone{AuthURL: "http://keystone:5000", PublicURL: "http://keystone:5000", Username: "ironic", PasswordFile: "/etc/trefoil/keystone-password",
		UserDomainName: "Default", ProjectName: "service", ProjectDomainName: "Default", ServiceType: "baremetal", CacheTime: 300, Timeout: 10}
	if s.Auth != AuthKeystone || *s.Keystone != want {
		t.Errorf("%s %+v", s.Auth, *s.Keystone)
	}
	s, _, err = loadText(t, aKeystone+`auth_url = https://keystone.example.org:5000/v3
www_authenticate_uri = https://public.example.org/identity
auth_type = v3password
username = ironic
password = with # and = in it
user_domain_id = d1
system_scope = all
cafile = /etc/ssl/ca.pem
service_type = metal
token_cache_time = 0
http_connect_timeout = 3
`)
	if err != nil {
		t.Fatal(err)
	}
	want = Keystone{AuthURL: "https://keystone.example.org:5000/v3", PublicURL: "https://public.example.org/identity", Username: "ironic", Password: "with # and = in it",
		UserDomainID: "d1", SystemScope: true, CAFile: "/etc/ssl/ca.pem", ServiceType: "metal", Timeout: 3}
	if *s.Keystone != want {
		t.Errorf("%+v", *s.Keystone)
	}
}

func TestMistakesOfAKeystoneSection(t *testing.T) {
	const who = "username = ironic\npassword = hunter2\nproject_name = service\n"
	const good = aKeystone + "auth_url = http://k\n" + who
	for name, c := range map[string]struct{ text, words string }{
		"no section":      {"\nauth_strategy = keystone\n", ":2: auth_strategy keystone needs the section [keystone_authtoken] with auth_url"},
		"nobody asks":     {"[keystone_authtoken]\nauth_url = http://k\n", ":1: [keystone_authtoken] is given, and with auth_strategy none no Keystone is asked"},
		"another section": {"[keystone]\n", ":1: unknown section [keystone]; expected [DEFAULT], [audit], [netboot], [keystone_authtoken]"},
		"users of a file": {"http_basic_auth_user_file = /f\n" + good, ":1: http_basic_auth_user_file is given, and with auth_strategy keystone users are Keystone's"},
		"no auth_url":     {aKeystone + who, ":2: [keystone_authtoken] needs auth_url"},
		"no username":     {aKeystone + "auth_url = http://k\npassword = x\nproject_name = s\n", ":2: [keystone_authtoken] needs username"},
		"no password":     {aKeystone + "auth_url = http://k\nusername = i\nproject_name = s\n", ":2: [keystone_authtoken] needs password or password_file"},
		"two passwords":   {good + "password_file = /f\n", ":7: password and password_file are given; leave one of them out"},
		"no scope":        {aKeystone + "auth_url = http://k\nusername = i\npassword = x\n", ":2: [keystone_authtoken] needs project_name or system_scope"},
		"two scopes":      {good + "system_scope = all\n", ":7: project_name and system_scope are given"},
		"half the system": {good + "system_scope = some\n", ":7: system_scope: expected all"},
		"two domains":     {good + "user_domain_id = a\nuser_domain_name = b\n", ":8: user_domain_id and user_domain_name are given"},
		"no URL":          {aKeystone + "auth_url = keystone:5000\n" + who, ":3: auth_url: expected an http:// or https:// URL"},
		"user in the URL": {aKeystone + "auth_url = http://ironic:hunter2@k\n" + who, ":3: auth_url: expected a URL with nothing but host, port and path"},
		"a quote":         {good + "www_authenticate_uri = http://k/\"\n", ":7: www_authenticate_uri: expected a URL with nothing but"},
		"auth_type":       {good + "auth_type = v2password\n", ":7: auth_type: expected password or v3password"},
		"too long":        {good + "token_cache_time = 301\n", ":7: token_cache_time: expected at most 300 seconds"},
		"slow":            {good + "http_connect_timeout = 61\n", ":7: http_connect_timeout: expected at most 60 seconds"},
		"no look":         {good + "insecure = true\ncafile = /ca\n", ":7: insecure = true looks at no certificate"},
		"typing":          {good + "usrname = x\n", ":7: unknown option usrname in [keystone_authtoken]; did you mean username?"},
	} {
		_, path, err := loadText(t, c.text)
		if err == nil || !strings.Contains(err.Error(), path+c.words) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := loadText(t, good); err != nil {
		t.Error(err)
	}
}

func TestAPasswordThatOthersMayRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "baremetal.conf")
	if err := os.WriteFile(path, []byte(aKeystone+"auth_url = http://k\nusername = i\npassword = hunter2\nproject_name = s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o644: false, 0o660: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadStandalone(path, nics)
		if (err == nil) != good || !good && !strings.Contains(err.Error(), path+":5: the file has mode") {
			t.Errorf("%#o: %v", mode, err)
		}
	}
}
