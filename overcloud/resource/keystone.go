package resource

import (
	"net/url"
	"regexp"
	"strings"
)

// KeystoneBootstrap makes Keystone's first rows in the node's database, as keystone-manage
// bootstrap does: the domain Default, the roles admin, member and reader, project and user
// admin, and the endpoints of Keystone itself. It sets the password and the endpoints anew
// when they differ; the tokens of a password that was end.
type KeystoneBootstrap struct {
	Password  string `json:"password" yaml:"password"`                       // of the user admin
	Rounds    int    `json:"rounds" yaml:"rounds"`                           // work of its hash, as a power of two: 4 to 31
	Region    string `json:"region" yaml:"region"`                           // of the catalog
	URL       string `json:"url" yaml:"url"`                                 // of all three endpoints
	Memcached string `json:"memcached,omitempty" yaml:"memcached,omitempty"` // host:port joined by commas: where Keystone remembers
}

var regionName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,255}$`)

func (c *checker) keystone(k *KeystoneBootstrap) {
	c.want(k.Password != "", "keystone_bootstrap.password: must not be empty")
	c.want(k.Rounds >= 4 && k.Rounds <= 31, "keystone_bootstrap.rounds: %d is not 4 to 31", k.Rounds)
	c.want(regionName.MatchString(k.Region), "keystone_bootstrap.region: %q is not made of letters, digits, _ . and -", k.Region)
	u, err := url.Parse(k.URL)
	c.want(err == nil && strings.HasPrefix(u.Scheme, "http") && u.Host != "", "keystone_bootstrap.url: %q is not like http://192.168.24.9:5000/v3", k.URL)
}
