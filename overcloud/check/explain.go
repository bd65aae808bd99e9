package check

import (
	"context"
	"errors"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/session"
)

// advice is what to try about an error of the cloud.
type advice struct {
	code errs.Code // "": any
	text string    // in the error, any case
	try  string
}

// advices, the first that fits counts.
func advices() []advice {
	return []advice{
		{"", "quota", "openstack quota show; raise it: openstack quota set --cores -1 --ram -1 --instances -1 admin"},
		{"", "no valid host", "openstack hypervisor list; nova-scheduler.log on the controller says which filter refused"},
		{"", "binding failed", "openstack network agent list: is the Open vSwitch agent of the host alive?"},
		{"", "virtual interface creation failed", "neutron-openvswitch-agent.log on the host: the port was not wired in time"},
		{"", "physical_network", "--external-physical-network must be in flat_networks and bridge_mappings, and free: openstack network list --external --long"},
		{"", "physical network", "--external-physical-network must be in flat_networks and bridge_mappings, and free: openstack network list --external --long"},
		{errs.Forbidden, "", "the check needs the admin role: source overcloudrc"},
		{errs.Unauthorized, "", "source overcloudrc again; was the password changed?"},
		{errs.Unavailable, "", "openstack overcloud status; systemctl --failed on the controller"},
		{errs.Internal, "", "the service's log on the controller, in /var/log"},
	}
}

// explain is an API's error with what may help in an overcloud. nil stays nil.
func explain(err error) error {
	err = session.Explain(err)
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var known *errs.Error
	if !errors.As(err, &known) {
		return err
	}
	return advised(known.Code, err.Error())
}

// advised makes an error of a service's own words.
func advised(code errs.Code, msg string) error {
	e := errs.New(code, "%s", msg)
	for _, a := range advices() {
		if (a.code == "" || a.code == code) && strings.Contains(strings.ToLower(msg), a.text) {
			return e.WithHint("%s", a.try)
		}
	}
	return e
}
