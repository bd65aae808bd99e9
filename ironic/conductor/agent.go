package conductor

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/conductor/agentclient"
	"trefoil/ironic/fsm"
	"trefoil/ironic/inspect"
)

// heartbeatTimeout is what agents are told: they call at a fraction of it, in seconds.
const heartbeatTimeout = 300

// waitsForAgent reports whether a node in this state may be looked up by a ramdisk. While a
// reset is due the one that calls is that of before, which runs until then.
func waitsForAgent(n *ironic.Node) bool {
	if resetDue(n) {
		return false
	}
	switch fsm.State(n.ProvisionState) {
	case fsm.Deploying, fsm.DeployWait, fsm.Cleaning, fsm.CleanWait, fsm.Inspecting, fsm.InspectWait,
		fsm.Rescuing, fsm.RescueWait, fsm.Servicing, fsm.ServiceWait,
		fsm.CleanHold, fsm.DeployHold, fsm.ServiceHold:
		return true
	}
	return false
}

// Lookup answers a ramdisk that asks which node it is on. The token is shown
// once; an agent that asks again gets a row of stars, as in Ironic.
func (c *Conductor) Lookup(ctx context.Context, macs []string, nodeUUID string) (*agentapi.Lookup, error) {
	n, why, _, err := c.findByMACs(ctx, macs, nodeUUID)
	if err != nil {
		return nil, err
	}
	if n == nil || !waitsForAgent(n) {
		if n != nil {
			why = fmt.Sprintf("node %s is in state %q and waits for no ramdisk", title(n), n.ProvisionState)
		}
		asked := shownMACs(macs)
		c.Log.Warn("a ramdisk was not recognised", "macs", asked, "node", nodeUUID, "reason", why)
		return nil, errs.New(errs.NotFound, "Node could not be found for addresses %s: %s", asked, why)
	}
	token, shown := "******", false
	n, err = c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		token, shown = "******", false
		switch again, _ := n.DriverInternalInfo[agentAgain].(bool); {
		case text(n.DriverInternalInfo, agentToken) == "":
			token, shown = rand.Text()+rand.Text(), true
			put(n, agentToken, token)
		case again:
			token, shown = text(n.DriverInternalInfo, agentToken), true
		}
		delete(n.DriverInternalInfo, agentAgain)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if shown {
		c.note(ctx, n.UUID, "agent", "INFO", "the ramdisk is up and was given its token")
	} else {
		c.note(ctx, n.UUID, "agent", "INFO", "the ramdisk asked for its token again: it restarted or an answer was lost")
	}
	c.bells.ring(n.UUID)
	return &agentapi.Lookup{Node: lookupNode(n), Config: agentapi.LookupConfig{
		HeartbeatTimeout: heartbeatTimeout, AgentToken: token, AgentTokenRequired: true}}, nil
}

func lookupNode(n *ironic.Node) agentapi.LookupNode {
	return agentapi.LookupNode{UUID: n.UUID, Properties: n.Properties,
		InstanceInfo: masked(n.InstanceInfo), DriverInternalInfo: masked(n.DriverInternalInfo)}
}

// masked hides from whoever asks without credentials what the API masks, and what signs URLs.
func masked(m map[string]any) map[string]any {
	out := ironic.Mask(m, "configdrive", "image_url")
	for k, v := range out {
		out[k] = unsigned(v)
	}
	return out
}

// unsigned is a value without what signs the URLs in it. It changes the value's own maps and lists.
func unsigned(v any) any {
	switch x := v.(type) {
	case string:
		if isURL(x) {
			return shownURL(x)
		}
	case map[string]any:
		for k := range x {
			x[k] = unsigned(x[k])
		}
	case []any:
		for i := range x {
			x[i] = unsigned(x[i])
		}
	}
	return v
}

// Anybody on the provisioning network may name addresses: each one looked for is a question to the
// database, and what is told of them goes into a log. Few machines have more than a dozen.
const (
	maxLookedFor = 128
	maxShownMACs = 10
)

// shownMACs are the first addresses as messages name them.
func shownMACs(macs []string) string {
	if len(macs) <= maxShownMACs {
		return strings.Join(macs, ",")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(macs[:maxShownMACs], ","), len(macs)-maxShownMACs)
}

// findByMACs finds the one node that owns any of the addresses, with words of what led
// to it, and how many nodes do; nil with the reason in words unless it is one. Of more than
// maxLookedFor addresses it looks for the first.
func (c *Conductor) findByMACs(ctx context.Context, macs []string, nodeUUID string) (*ironic.Node, string, int, error) {
	if nodeUUID != "" {
		n, err := c.Store.Node(ctx, nodeUUID)
		if errs.Is(err, errs.NotFound) {
			return nil, "there is no node " + nodeUUID, 0, nil
		}
		return n, "", 1, err
	}
	none := "no port has any of these addresses"
	if len(macs) > maxLookedFor {
		none = fmt.Sprintf("no port has any of the first %d of these %d addresses", maxLookedFor, len(macs))
		macs = macs[:maxLookedFor]
	}
	found := map[string]string{} // node → the address that led to it
	for _, m := range macs {
		mac, ok := inspect.NormalMAC(m)
		if !ok {
			continue
		}
		p, err := c.Store.Port(ctx, mac)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, "", 0, err
		}
		if found[p.NodeUUID] == "" { // the boot interface's comes first
			found[p.NodeUUID] = mac
		}
	}
	switch len(found) {
	case 0:
		return nil, none, 0, nil
	case 1:
		for uuid := range found {
			n, err := c.Store.Node(ctx, uuid)
			return n, "MAC address " + found[uuid], 1, err
		}
	}
	var who []string
	for uuid, mac := range found {
		who = append(who, uuid+" (by "+mac+")")
	}
	slices.Sort(who)
	return nil, "the addresses belong to several nodes: " + strings.Join(who, ", "), len(found), nil
}

// Heartbeat takes a sign of life of an agent. It needs no lock: the job that
// waits for it reads what is stored here.
func (c *Conductor) Heartbeat(ctx context.Context, nodeUUID string, hb agentapi.Heartbeat) error {
	n, err := c.Store.Node(ctx, nodeUUID)
	if err != nil {
		return err
	}
	if err := checkHeartbeat(n, hb); err != nil { // before anything that costs: anybody may call
		return err
	}
	if err := c.foreign(ctx, n.UUID, hb.CallbackURL); err != nil { // told only to whoever has the token
		return err
	}
	first := false
	n, err = c.Store.UpdateNode(ctx, n.UUID, func(n *ironic.Node) error {
		if err := checkHeartbeat(n, hb); err != nil {
			return err
		}
		first = text(n.DriverInternalInfo, agentURL) == ""
		put(n, agentURL, strings.TrimRight(hb.CallbackURL, "/"))
		put(n, agentSeen, c.Now().UTC().Format(time.RFC3339Nano))
		put(n, agentVersion, hb.AgentVersion)
		delete(n.DriverInternalInfo, agentAgain)
		delete(n.DriverInternalInfo, agentMessage)
		if hb.AgentStatusMessage != "" {
			put(n, agentMessage, hb.AgentStatusMessage)
		}
		if hb.AgentVerifyCA != "" {
			put(n, agentCA, hb.AgentVerifyCA)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if first {
		c.note(ctx, n.UUID, "agent", "INFO", "the agent reported from "+hb.CallbackURL)
	}
	c.bells.ring(n.UUID)
	return nil
}

// checkHeartbeat refuses a heartbeat in Ironic's words.
func checkHeartbeat(n *ironic.Node, hb agentapi.Heartbeat) error {
	if !waitsForAgent(n) {
		return errs.New(errs.NotFound, "Node %s is in state \"%s\" and expects no heartbeat.", n.UUID, n.ProvisionState)
	}
	if hb.AgentToken == "" {
		return errs.New(errs.Invalid, "Agent token is required for heartbeat processing.")
	}
	want := text(n.DriverInternalInfo, agentToken)
	if want == "" || subtle.ConstantTimeCompare([]byte(want), []byte(hb.AgentToken)) != 1 {
		return errs.New(errs.Invalid, "Invalid or missing agent token received.")
	}
	if hb.CallbackURL == "" {
		return errs.New(errs.Invalid, "Missing mandatory parameter callback_url.")
	}
	if u, err := url.Parse(hb.CallbackURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errs.New(errs.Invalid, "callback_url %q is not the http or https address of an agent.", hb.CallbackURL)
	}
	if old := text(n.DriverInternalInfo, agentURL); old != "" && old != strings.TrimRight(hb.CallbackURL, "/") {
		return errs.New(errs.Invalid, "Detected change in ramdisk provided \"callback_url\"")
	}
	return nil
}

// target is the node's agent as its last heartbeat told.
func target(n *ironic.Node) agentclient.Target {
	return agentclient.Target{URL: text(n.DriverInternalInfo, agentURL),
		Token: text(n.DriverInternalInfo, agentToken), VerifyCA: text(n.DriverInternalInfo, agentCA)}
}

// awaitAgent waits in the state until the ramdisk's agent has called, then goes on in back.
func (t *task) awaitAgent(wait, back fsm.State) error {
	return t.step("call-back", func(ctx context.Context) error { return t.callBack(ctx, wait, back) })
}

// callBack is awaitAgent inside of a step.
func (t *task) callBack(ctx context.Context, wait, back fsm.State) error {
	if err := t.enter(ctx, wait, nil); err != nil {
		return err
	}
	t.note("transition", "waits for the ramdisk to call back")
	start := *t.node.ProvisionUpdatedAt
	limit := t.callbackTimeout(wait)
	until := laterOf(start.Add(limit), t.Now().Add(min(graceAfterRestart, limit)))
	err := t.wait(ctx, until, func(n *ironic.Node) (bool, error) {
		return text(n.DriverInternalInfo, agentURL) != "", nil
	}, func(n *ironic.Node) error {
		if text(n.DriverInternalInfo, agentToken) != "" {
			return errs.New(errs.Unavailable, "Timeout reached while waiting for callback for node %s: after %s the ramdisk had fetched its token but sent no heartbeat",
				title(n), t.Now().Sub(start).Round(time.Second)).WithHint("look at the node's console; the agent must reach %s", t.APIURL)
		}
		return t.bootTimeout("the ramdisk", t.Now().Sub(start))
	})
	if err != nil {
		return err
	}
	return t.enter(ctx, back, nil)
}

// callbackTimeout is how long a node may wait for its agent in a state.
func (c *Conductor) callbackTimeout(wait fsm.State) time.Duration {
	if d, ok := c.CallbackTimeouts[wait]; ok {
		return d
	}
	return c.CallbackTimeout
}

// graceAfterRestart is left to a wait that was interrupted for long.
const graceAfterRestart = time.Minute

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// call runs a command that the agent answers at once. An agent that still is busy
// with what a killed conductor asked of it is asked again, for AgentPatience.
func (t *task) call(ctx context.Context, name string, params map[string]any) (map[string]any, error) {
	until := t.Now().Add(t.AgentPatience)
	for {
		st, err := t.Agents.Run(ctx, target(t.node), agentapi.Command{Name: name, Params: params}, true)
		if err == nil {
			return commandResult(name, st)
		}
		if !errs.Is(err, errs.Conflict) || !t.Now().Before(until) {
			return nil, err
		}
		if err := t.pause(ctx, t.AgentPoll); err != nil {
			return nil, err
		}
	}
}

func commandResult(name string, st *agentapi.CommandStatus) (map[string]any, error) {
	if st.Status == agentapi.Succeeded {
		return st.Result, nil
	}
	if st.Status == agentapi.CleanVersionMismatch || st.Status == agentapi.VersionMismatch {
		return nil, errOtherVersions
	}
	if st.Error == nil {
		return nil, errs.New(errs.Internal, "the agent ended %s as %s without a reason", name, st.Status)
	}
	msg := strings.TrimSpace(st.Error.Message)
	if d := strings.TrimSpace(st.Error.Details); d != "" && !strings.Contains(msg, d) {
		msg = strings.TrimSpace(msg + " " + d)
	}
	return nil, errs.New(errs.Internal, "the agent failed to %s: %s", name, msg)
}
