package conductor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/conductor"
)

func TestTheAgentProtocolIsThatOfTheTraces(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.script[n.UUID] = "dead"
	if _, err := w.c.Lookup(t.Context(), []string{mac}, ""); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "available") {
		t.Errorf("lookup of a resting node: %v", err)
	}
	w.provision("active")
	w.await("wait call-back")
	if _, err := w.c.Lookup(t.Context(), []string{"52:54:00:ff:ff:ff"}, ""); !errs.Is(err, errs.NotFound) {
		t.Errorf("unknown address: %v", err)
	}
	first, err := w.c.Lookup(t.Context(), []string{"52:54:00:FF:00:00", strings.ToUpper(mac)}, "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.c.Lookup(t.Context(), []string{mac}, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Config.AgentToken) < 32 || second.Config.AgentToken != "******" || !first.Config.AgentTokenRequired || first.Config.HeartbeatTimeout != 300 {
		t.Errorf("%+v then %+v", first.Config, second.Config)
	}
	if b, _ := json.Marshal(second); strings.Contains(string(b), first.Config.AgentToken) {
		t.Error("the token shows in the node of a later lookup")
	}
	for words, hb := range map[string]agentapi.Heartbeat{
		"Agent token is required for heartbeat processing.":                               {CallbackURL: "http://a"},
		"Invalid or missing agent token received.":                                        {CallbackURL: "http://a", AgentToken: "wrong"},
		`callback_url "file:///etc/passwd" is not the http or https address of an agent.`: {CallbackURL: "file:///etc/passwd", AgentToken: first.Config.AgentToken},
	} {
		if err := w.c.Heartbeat(t.Context(), n.UUID, hb); !errs.Is(err, errs.Invalid) || err.Error() != words {
			t.Errorf("got %v, want %s", err, words)
		}
	}
}

func TestTheTokenNeverShowsInHistoryOrErrors(t *testing.T) {
	clock, agents := &clock{}, askedOnce()
	w := newWorld(t, func(c *conductor.Config) { c.Now, c.Agents = clock.now, agents })
	n := w.node("available")
	w.script[n.UUID] = "hang"
	w.provision("active")
	var token string
	for token == "" {
		got, err := w.db.Node(t.Context(), n.UUID)
		if err != nil {
			t.Fatal(err)
		}
		if got.ProvisionState == "wait call-back" && len(got.DeployStep) > 0 {
			token = conductor.Token(got)
		}
		time.Sleep(time.Millisecond)
	}
	w.mu.Lock()
	w.agents[n.UUID].stop()
	w.mu.Unlock()
	agents.again(t)
	clock.advance(awaitLimit)
	got := w.await("deploy failed")
	if !strings.Contains(got.LastError, "does not answer") || strings.Contains(got.LastError+w.history(), token) {
		t.Errorf("%q", got.LastError)
	}
}

func TestAnInventoryWithoutANodeIsExplained(t *testing.T) {
	w := newWorld(t, nil)
	w.node("manageable")
	_, err := w.c.ContinueInspection(t.Context(), []byte(inventory))
	if !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), `control-1, which is in state "manageable"`) {
		t.Errorf("%v", err)
	}
	_, err = w.c.ContinueInspection(t.Context(), []byte(strings.ReplaceAll(inventory, "52:54:00:00:00", "52:54:00:00:99")))
	if !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "no port has any of these addresses; the ramdisk saw no BMC") {
		t.Errorf("%v", err)
	}
	for inventory, words := range map[string]string{
		`{}`:                "no usable MAC address: inventory.interfaces has no entry; the ramdisk saw no BMC",
		`{"interfaces":[]}`: "inventory.interfaces has no entry",
		`{"interfaces":[{"name":"eth0","mac_address":"zz"},{"name":"eth1"},{"name":"lo","mac_address":"00:00:00:00:00:00"}],"bmc_address":"192.0.2.77"}`: `inventory.interfaces[0].mac_address is "zz", no address of an Ethernet card; inventory.interfaces[1].mac_address is missing or empty; ` +
			"inventory.interfaces[2].mac_address is that of lo; no waiting node has the BMC address 192.0.2.77",
	} {
		_, err := w.c.ContinueInspection(t.Context(), []byte(`{"inventory":`+inventory+`}`))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", inventory, err)
		}
	}
	if _, err = w.c.ContinueInspection(t.Context(), []byte("{")); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	// Fifteen megabytes of empty disks once took more than two gigabytes of memory.
	bomb := `{"inventory":{"disks":[{}` + strings.Repeat(",{}", 100_000) + `]}}`
	if _, err = w.c.ContinueInspection(t.Context(), []byte(bomb)); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "holds 100000 values") {
		t.Errorf("%v", err)
	}
	long := strings.Replace(inventory, "{", `{"logs":"\"`+strings.Repeat(",", 100_000)+`",`, 1)
	if _, err = w.c.ContinueInspection(t.Context(), []byte(long)); !errs.Is(err, errs.NotFound) {
		t.Errorf("commas in a text count: %v", err)
	}
}
