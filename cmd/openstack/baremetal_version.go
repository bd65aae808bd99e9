package main

import (
	"os"
	"regexp"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
)

// baremetal opens the bare-metal API as the global options and the environment say.
func (p *program) baremetal(c *cli.Context) (*gophercloud.ServiceClient, error) {
	version, err := baremetalVersion()
	if err != nil {
		return nil, err
	}
	s, err := p.session(c)
	if err != nil {
		return nil, err
	}
	api, err := s.Baremetal()
	if err == nil && version != "" {
		api.Microversion = version
	}
	return api, err
}

// baremetalVersion is the microversion that OS_BAREMETAL_API_VERSION asks for, "" the one we
// speak, which is our latest. Which ones there are says the service: it refuses others itself.
func baremetalVersion() (string, error) {
	v := os.Getenv("OS_BAREMETAL_API_VERSION")
	switch {
	case v == "" || v == "latest" || v == "1":
		return "", nil
	case !regexp.MustCompile(`^1\.[1-9][0-9]*$`).MatchString(v):
		return "", errs.New(errs.Invalid, "OS_BAREMETAL_API_VERSION is %q; expected latest or a version such as 1.81", v).
			WithHint("unset OS_BAREMETAL_API_VERSION")
	}
	return v, nil
}
