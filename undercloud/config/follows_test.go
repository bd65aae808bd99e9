package config

import (
	"strings"
	"testing"
)

// A value that cannot be read is told once: that there is none only follows from it.
func TestWhatFollowsFromAMistakeIsNotTold(t *testing.T) {
	for _, text := range []string{
		"auth_strategy = http_basic\nhttp_basic_auth_user_file = users\n",
		"deploy_kernel = ftp://x/k\ndeploy_ramdisk = /r\n",
		"tls_certificate_file = cert\ntls_key_file = /k\n",
		"listen = 0.0.0.0:6385\nallow_unauthenticated = maybe\n",
		"auth_strategy = ldap\n[keystone_authtoken]\nauth_url = http://k\n",
		"[netboot]\ninterface = eth1\nrange = 1.2.3.4\n",
		"[netboot]\ninterface = eth1\nrange = 192.0.2.4,x\n",
		"[netboot]\ninterface = eth1\nrange = 192.0.2.4,192.0.2.5\ndhcp = maybe\n",
		"[netboot]\ninterface = eth2\naddress = x\nrange = 192.0.2.4,192.0.2.5\n",
	} {
		if _, _, err := loadText(t, text); err == nil || strings.Count(err.Error(), "\n") != 0 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAQuotedValueHasNoKeys(t *testing.T) {
	text := "pci_device_alias = \"\"\"a\ndebug = x\n\"\"\"\ndebug = maybe\n"
	if _, _, err := loadText(t, text); err == nil || strings.Contains(err.Error(), "stands here") || !strings.Contains(err.Error(), ":4: debug:") {
		t.Errorf("%v", err)
	}
}
