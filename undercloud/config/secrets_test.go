package config

import (
	"fmt"
	"strings"
	"testing"
)

// A password that came to a wrong option is told of by file, line and option, and is not shown: the error goes to the log.
func TestNoErrorShowsAValue(t *testing.T) {
	free := []string{"username", "password", "user_domain_id", "user_domain_name", "project_name", "project_domain_id", "project_domain_name", "service_type",
		"host", "enabled_hardware_types", "kernel_append_params", "discovery_driver", "pci_device_alias"} // take any text
	secrets := []string{"hunter2", "Hunter/2", "31337", "aGVsbG8=", "hunter2, hunter2"}
	s := &Standalone{}
	p := &standaloneParser{s: s}
	for section, options := range map[string][]entry{"DEFAULT": p.options(), "audit": s.Audit.options(), "netboot": new(Netboot).options(), keystoneSection: new(Keystone).options()} {
		for _, o := range options {
			for _, secret := range secrets {
				head, line := "", 2
				if section == keystoneSection {
					head, line = "auth_strategy = keystone\n", 3
				}
				_, path, err := loadText(t, fmt.Sprintf("%s[%s]\n%s = %s\n", head, section, o.name, secret))
				refused := err != nil && strings.Contains(err.Error(), fmt.Sprintf("%s:%d: %s: ", path, line, o.name))
				number := secret == "31337" && strings.Contains("max_image_gib port mtu", o.name)
				if !refused && !strings.Contains(strings.Join(free, " "), o.name) && o.name != "interface" && !number {
					t.Errorf("%s = %s: %v", o.name, secret, err)
				}
				if err != nil && strings.Contains(err.Error(), secret) && o.name != "interface" && !number {
					t.Errorf("%s: %v shows %s", o.name, err, secret)
				}
			}
		}
	}
	for _, section := range new(Config).sections() {
		for _, name := range section.keys {
			if name == "subnets" || name == "local_subnet" {
				continue // names of sections, which are shown
			}
			for _, secret := range secrets {
				if _, err := Parse("u.conf", []byte(fmt.Sprintf("[%s]\n%s = %s\n", section.name, name, secret))); err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%s: %v shows %s", name, err, secret)
				}
			}
		}
	}
}

// Mistyped options are told by name, with the nearest; what may be a secret itself is no name.
func TestUnknownNamesAreShownWhereTheyAreNames(t *testing.T) {
	const head = "auth_strategy = keystone\n[keystone_authtoken]\nauth_url = http://k\n"
	for text, want := range map[string]string{
		"passwrod = hunter2":          ":4: unknown option passwrod in [keystone_authtoken]; did you mean password?",
		"Password = hunter2":          ":4: unknown option Password in [keystone_authtoken]; did you mean password?",
		"PASSWORD = hunter2":          ":4: unknown option PASSWORD in [keystone_authtoken]; did you mean password?",
		"passwrod = ":                 ":4: unknown option passwrod in [keystone_authtoken]; did you mean password?",
		"memcached_servers = hunter2": ":4: unknown option memcached_servers in [keystone_authtoken]; expected some of auth_url,",
		"password hunter2=":           ":4: expected option = value, found several words before the = or :; did you mean password = …?",
		"passwort hunter2: x":         ":4: expected option = value, found several words before the = or :; did you mean password = …?",
		"hunter2==":                   ":4: unknown option in [keystone_authtoken]; its name is not shown, as it may be a part of a secret",
		"hunter2:of=mine":             ":4: unknown option in [keystone_authtoken]; its name is not shown",
		"hunter2 =\nhunter2 =":        ":5: an option stands here and in line 4",
		"password = x\n  hunter2":     ":4: password: expected a value of one line; the lines below it that begin with a space belong to it",
		"[keystone] hunter2 = ]":      ":4: unknown section; expected [DEFAULT]",
		"[keystone_authtokn]":         ":4: unknown section [keystone_authtokn]; expected [DEFAULT], <more>; did you mean [keystone_authtoken]?",
	} {
		_, path, err := loadText(t, head+text+"\n")
		want, rest, _ := strings.Cut(want, "<more>") // the sections that there are besides
		if err == nil || !strings.Contains(err.Error(), path+want) || !strings.Contains(err.Error(), rest) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := Parse("u.conf", []byte("[auth]\nundercloud_admin_pasword = hunter2\nhunter2==\n[hunter2 ]x]\n"))
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Count(err.Error(), "u.conf:") != 3 {
		t.Errorf("%v", err)
	}
}
