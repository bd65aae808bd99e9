package conductor

import (
	"context"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/driver"
	"trefoil/ironic/fsm"
	"trefoil/ironic/sha512crypt"
)

// keyRescueHash in instance_info holds the hash of the rescue password until the
// ramdisk has it. The password itself is written nowhere.
const keyRescueHash = "hashed_rescue_password"

// keyRescueSent says that the agent may have the password already, and be silent since.
const keyRescueSent = "rescue_password_sent"

// rescue is the job behind rescue: the machine is booted into a ramdisk that a
// person can log in to.
func (t *task) rescue() error {
	if rescuesByAgent(t.node) {
		if err := t.bootRamdisk(jobRescue); err != nil {
			return err
		}
		if err := t.awaitAgent(fsm.RescueWait, fsm.Rescuing); err != nil {
			return err
		}
		if err := t.step("finalize rescue", t.finalizeRescue); err != nil {
			return err
		}
	}
	return t.step("done", func(ctx context.Context) error {
		if err := t.pretend(ctx, "rescue"); err != nil {
			return err
		}
		t.note("transition", "rescued; the ramdisk takes logins with the rescue password")
		return t.enter(ctx, fsm.Rescue, func(n *ironic.Node) {
			forgetRescue(n)
			forgetSteps(n)
			forgetBoot(n)
		})
	})
}

func rescuesByAgent(n *ironic.Node) bool { return n.Interfaces["rescue"] == "agent" && bootsRamdisk(n) }

// finalizeRescue gives the agent the password's hash. The agent falls silent once
// it has it: one that does not answer because a crash kept its answer from being
// remembered is booted once more.
func (t *task) finalizeRescue(ctx context.Context) error {
	hash := text(t.node.InstanceInfo, keyRescueHash)
	if hash == "" {
		return errs.New(errs.Internal, "the rescue password of node %s is not known any more", title(t.node))
	}
	again := t.node.DriverInternalInfo[keyRescueSent] == true
	if err := t.update(ctx, func(n *ironic.Node) { put(n, keyRescueSent, true) }); err != nil {
		return err
	}
	send := func() error {
		_, err := t.call(ctx, "rescue.finalize_rescue", map[string]any{"rescue_password": hash, "hashed": true})
		return err
	}
	if !again {
		return send()
	}
	if t.node.ProvisionState != string(fsm.RescueWait) { // else it was started again already
		if text(t.node.DriverInternalInfo, agentURL) != "" {
			if err := send(); !errs.Is(err, errs.Unavailable) {
				return err
			}
		}
		if err := t.enterRamdisk(); err != nil {
			return err
		}
		if err := t.startAgain(ctx); err != nil {
			return err
		}
	}
	if err := t.callBack(ctx, fsm.RescueWait, fsm.Rescuing); err != nil {
		return err
	}
	return send()
}

func forgetRescue(n *ironic.Node) {
	delete(n.InstanceInfo, keyRescueHash)
	delete(n.DriverInternalInfo, keyRescueSent)
}

// unrescue is the job behind unrescue: the machine boots its instance again.
func (t *task) unrescue() error {
	if rescuesByAgent(t.node) {
		if err := t.step("boot instance", t.backToInstance); err != nil {
			return err
		}
	}
	return t.step("done", func(ctx context.Context) error {
		t.note("transition", "unrescued; the instance boots from its disk")
		return t.enter(ctx, fsm.Active, forgetRescue)
	})
}

// checkRescue looks whether a node may be rescued, or taken back from it.
func (c *Conductor) checkRescue(ctx context.Context, drv driver.Driver, n *ironic.Node, e fsm.Event, req api.ProvisionRequest) error {
	if i := n.Interfaces["rescue"]; i == "" || i == "no-rescue" {
		return errs.New(errs.Invalid, "Driver %s does not support %s (disabled or not implemented).", n.Driver, e).
			WithHint("openstack baremetal node set %s --rescue-interface agent", n.UUID)
	}
	if n.Maintenance {
		return inMaintenance(map[fsm.Event]string{fsm.EvRescue: "rescuing", fsm.EvUnrescue: "unrescuing"}[e], n)
	}
	if e == fsm.EvRescue && (req.RescuePassword == nil || *req.RescuePassword == "") {
		return errs.New(errs.Invalid, "A non-empty \"rescue_password\" is required when setting target provision state to rescue")
	}
	if e == fsm.EvRescue && len(*req.RescuePassword) > maxRescuePassword {
		return errs.New(errs.Invalid, "rescue_password is longer than %d bytes, which no login takes", maxRescuePassword)
	}
	if err := drv.Validate(n); err != nil || e != fsm.EvRescue || !rescuesByAgent(n) {
		return err
	}
	return c.canBoot(ctx, drv, n, jobRescue)
}

// maxRescuePassword is crypt(3)'s limit, CRYPT_MAX_PASSPHRASE_SIZE.
const maxRescuePassword = 512

// prepareRescue keeps the password as a hash.
func prepareRescue(n *ironic.Node, password string) {
	info := map[string]any{keyRescueHash: sha512crypt.Hash(password)}
	for k, v := range n.InstanceInfo {
		if k != keyRescueHash {
			info[k] = v
		}
	}
	n.InstanceInfo = info
}
