package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"gopkg.in/ini.v1"
)

const keystoneSection = "keystone_authtoken"

// Keystone is the section [keystone_authtoken] of a standalone service: the Keystone
// whose tokens it takes, and the service user that it asks as. Options have
// keystonemiddleware's names, beside password_file.
type Keystone struct {
	AuthURL   string // where this service finds Keystone
	PublicURL string // where clients are sent

	Username                           string
	Password                           string // or:
	PasswordFile                       string // its first line
	UserDomainID, UserDomainName       string
	ProjectName                        string // or:
	SystemScope                        bool
	ProjectDomainID, ProjectDomainName string

	CAFile   string // PEM; empty: the machine's
	Insecure bool

	ServiceType string // of the bare-metal API in the catalog, which access rules name
	CacheTime   int    // seconds
	Timeout     int    // seconds
}

func (k *Keystone) options() []entry {
	use := func(set setter) func(string) error { return func(v string) error { return set(nil, v) } }
	return []entry{
		{"auth_url", "", keystoneURLInto(&k.AuthURL)},
		{"www_authenticate_uri", "", keystoneURLInto(&k.PublicURL)},
		{"auth_type", "password", oneOf("password", "v3password")},
		{"username", "", line(&k.Username)},
		{"password", "", line(&k.Password)},
		{"password_file", "", pathInto(&k.PasswordFile)},
		{"user_domain_id", "", line(&k.UserDomainID)},
		{"user_domain_name", "", line(&k.UserDomainName)},
		{"project_name", "", line(&k.ProjectName)},
		{"project_domain_id", "", line(&k.ProjectDomainID)},
		{"project_domain_name", "", line(&k.ProjectDomainName)},
		{"system_scope", "", func(v string) error { k.SystemScope = true; return oneOf("all")(v) }},
		{"cafile", "", pathInto(&k.CAFile)},
		{"insecure", "false", use(truth(&k.Insecure))},
		{"service_type", "baremetal", line(&k.ServiceType)},
		{"token_cache_time", "300", use(number(&k.CacheTime, 0))},
		{"http_connect_timeout", "10", use(number(&k.Timeout, 1))},
	}
}

// line takes a value of one line. An option that is indented belongs to the value above it, and a password
// that has swallowed one would be refused by Keystone, without a word of why.
func line(dst *string) func(string) error {
	return func(v string) error {
		if strings.ContainsAny(v, "\r\n") {
			return errors.New("expected a value of one line; the lines below it that begin with a space belong to it")
		}
		*dst = v
		return nil
	}
}

func oneOf(words ...string) func(string) error {
	return func(v string) error {
		for _, w := range words {
			if v == w {
				return nil
			}
		}
		return fmt.Errorf("expected %s", strings.Join(words, " or "))
	}
}

// keystoneURLInto takes a URL without secrets in it: it is shown to clients and in the log.
func keystoneURLInto(dst *string) func(string) error {
	return func(v string) error {
		u, err := url.Parse(v)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			return errors.New("expected an http:// or https:// URL such as https://keystone.example.org:5000")
		case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(v, `"\`):
			return errors.New("expected a URL with nothing but host, port and path, such as https://keystone.example.org:5000/v3")
		}
		*dst = v
		return nil
	}
}

// keystone reads the section, where auth_strategy asks for it.
func (p *standaloneParser) keystone() {
	wrong := func(key, format string, args ...any) { p.problem(keystoneSection, key, format, args...) }
	if p.s.Auth != AuthKeystone {
		if p.has(keystoneSection) && !p.wrong(ini.DefaultSection, "auth_strategy") {
			wrong("", "[%s] is given, and with auth_strategy %s no Keystone is asked; set auth_strategy = %s, or leave the section out", keystoneSection, p.s.Auth, AuthKeystone)
		}
		return
	}
	if !p.has(keystoneSection) {
		p.problem(ini.DefaultSection, "auth_strategy", "auth_strategy %s needs the section [%s] with auth_url, username, password (or password_file) and project_name", AuthKeystone, keystoneSection)
		return
	}
	k := &Keystone{}
	p.s.Keystone = k
	p.read(keystoneSection, k.options())
	if k.PublicURL == "" {
		k.PublicURL = k.AuthURL
	}
	p.credentials(k)
	if k.UserDomainID == "" && k.UserDomainName == "" {
		k.UserDomainName = "Default"
	}
	if !k.SystemScope && k.ProjectDomainID == "" && k.ProjectDomainName == "" {
		k.ProjectDomainName = "Default"
	}
	if k.CacheTime > 300 {
		wrong("token_cache_time", "token_cache_time: expected at most 300 seconds: for so long a token that was revoked stays good")
	}
	if k.Timeout > 60 {
		wrong("http_connect_timeout", "http_connect_timeout: expected at most 60 seconds")
	}
	if k.Insecure && k.CAFile != "" {
		wrong("insecure", "insecure = true looks at no certificate, and cafile is given; leave one of them out")
	}
}

// credentials looks that the service user can log in and that its password is nobody else's.
func (p *standaloneParser) credentials(k *Keystone) {
	wrong := func(key, format string, args ...any) { p.problem(keystoneSection, key, format, args...) }
	given := func(key string) bool { v, _, _ := p.value(keystoneSection, key); return v != "" }
	for _, key := range []string{"auth_url", "username"} {
		if !given(key) {
			wrong("", "[%s] needs %s", keystoneSection, key)
		}
	}
	for _, pair := range [][2]string{{"password", "password_file"}, {"project_name", "system_scope"}} {
		switch a, b := given(pair[0]), given(pair[1]); {
		case a && b:
			wrong(pair[1], "%s and %s are given; leave one of them out", pair[0], pair[1])
		case !a && !b:
			wrong("", "[%s] needs %s or %s", keystoneSection, pair[0], pair[1])
		}
	}
	for _, who := range []string{"user", "project"} {
		if given(who+"_domain_id") && given(who+"_domain_name") {
			wrong(who+"_domain_name", "%s_domain_id and %s_domain_name are given; leave one of them out", who, who)
		}
	}
	if st, err := os.Stat(p.s.Path); given("password") && err == nil && st.Mode().Perm()&0o027 != 0 {
		wrong("password", "the file has mode %#o, so that others may read or change the password in it; chmod 640 %s, or use password_file", st.Mode().Perm(), p.s.Path)
	}
}
