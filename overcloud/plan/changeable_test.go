package plan_test

import (
	"strings"
	"testing"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
)

// TestWhatADeploymentDoesNotChangeIsRefused: files would have a value that the cloud does not know.
func TestWhatADeploymentDoesNotChangeIsRefused(t *testing.T) {
	const fsid = "  CephClusterFSID: 00000000-0000-4000-8000-0000000000ff\n"
	for name, c := range map[string]struct {
		before, after string
		noCeph        bool   // when it was deployed
		want          string // of the refusal; empty: it passes
	}{
		"nothing":                        {},
		"what a deployment changes":      {after: "  NovaPassword: secret-of-nova\n"},
		"the bus":                        {after: "  RabbitPassword: secret-of-rabbit\n", want: "RabbitPassword is another one than was deployed, and a deployment does not change it in the cloud: RabbitMQ makes its user"},
		"the bus, no longer given":       {before: "  RabbitPassword: secret-of-rabbit\n", want: "RabbitPassword is another one"},
		"the bus, as before":             {before: "  RabbitPassword: secret-of-rabbit\n", after: "  RabbitPassword: secret-of-rabbit\n"},
		"the bus, by hand":               {after: "  RabbitPassword: secret-of-rabbit\n  PasswordsChangedByHand: [RabbitPassword]\n"},
		"two, one of them by hand":       {after: "  RabbitPassword: secret-of-rabbit\n  KeystoneCredential1: secret-of-key\n  PasswordsChangedByHand: 'RabbitCookie, RabbitPassword'\n", want: "KeystoneCredential1 is another one"},
		"a name misspelt":                {after: "  PasswordsChangedByHand: [RabbitPasword]\n", want: "PasswordsChangedByHand: there is no password or key \"RabbitPasword\"; did you mean \"RabbitPassword\"?"},
		"the user of the bus":            {after: "  RabbitUserName: secret-of-user\n", want: "RabbitUserName is another one"},
		"the user's name, which it has":  {after: "  RabbitUserName: openstack\n"},
		"keys of credentials":            {after: "  KeystoneCredential0: secret-of-key\n", want: "credential_migrate"},
		"keys of tokens":                 {after: "  KeystoneFernetKey0: secret-of-key\n"},
		"the identity of Ceph":           {after: fsid, want: "CephClusterFSID is another one"},
		"of the Ceph that comes with it": {after: fsid, noCeph: true},
		"of a service that is not there": {after: "  SwiftHashSuffix: secret-of-swift\n"},
	} {
		t.Run(name, func(t *testing.T) {
			planned := func(parameters string, ceph bool) *plan.Plan {
				o := article(t)
				if o.Environments = []plan.File{{Name: "my.yaml", Data: []byte("parameter_defaults:\n  KernelPidMax: 65536\n" + parameters)}}; !ceph {
					o.Counts["CephStorage"] = 0
				}
				return build(t, o)
			}
			err := planned(c.after, true).Changeable(planned(c.before, !c.noCeph))
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.Contains(errs.HintOf(err), "PasswordsChangedByHand") {
				t.Fatalf("%v; %s", err, errs.HintOf(err))
			}
			if text := err.Error() + errs.HintOf(err); strings.Contains(text, "secret-of") || strings.Contains(text, "<Rabbit") {
				t.Errorf("it tells a secret: %s", text)
			}
		})
	}
}
