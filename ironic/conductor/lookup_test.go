package conductor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"
	"trefoil/ironic/agentapi"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
)

// Whoever reaches the provisioning network may look a node up: what the API masks, a lookup does not show.
func TestALookupShowsNoMoreThanTheAPI(t *testing.T) {
	w := newWorld(t, nil)
	n := w.node("available")
	w.script[n.UUID] = "dead"
	w.provision("active")
	w.await("wait call-back")
	const hush = "hush-hush"
	secrets := func(more map[string]any) map[string]any {
		out := map[string]any{"image_source": "overcloud-full", "ssh_user": "shown", "configdrive": hush, "image_url": "http://h/i?sig=" + hush,
			"deep": map[string]any{"db_passwd": hush, "list": []any{map[string]any{"API_KEY": hush}}, "user": "shown"}, "agent_secret_token_pregenerated": true}
		for _, k := range []string{"admin_pass", "api_key", "private_key", "passphrase", "auth_key", "snmp_community", "rescue_password", "client_secret", "x_token", "raw_bytes"} {
			out[k] = hush
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	w.set(func(n *ironic.Node) {
		n.InstanceInfo = secrets(nil)
		for k, v := range secrets(nil) {
			n.DriverInternalInfo[k] = v
		}
	})
	server := httptest.NewServer(api.New(api.Config{Store: w.db, Conductor: w.c}))
	defer server.Close()
	resp, err := http.Get(server.URL + "/v1/nodes/" + n.UUID)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var seen struct {
		InstanceInfo map[string]any `json:"instance_info"`
		Internal     map[string]any `json:"driver_internal_info"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&seen); err != nil || seen.InstanceInfo["api_key"] != ironic.Masked {
		t.Fatalf("%v %v", err, seen)
	}
	lookup := func() (shown struct {
		Node struct {
			InstanceInfo map[string]any `json:"instance_info"`
			Internal     map[string]any `json:"driver_internal_info"`
		}
	}, raw string) {
		l, err := w.c.Lookup(t.Context(), []string{mac}, "")
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &shown); err != nil {
			t.Fatal(err)
		}
		return shown, string(b)
	}
	got, raw := lookup()
	if strings.Contains(raw, hush) {
		t.Errorf("a lookup shows a secret: %s", raw)
	}
	if !reflect.DeepEqual(got.Node.InstanceInfo, seen.InstanceInfo) {
		t.Errorf("a lookup shows %v\nthe API %v", got.Node.InstanceInfo, seen.InstanceInfo)
	}
	for k, v := range seen.Internal {
		if v == ironic.Masked && got.Node.Internal[k] != v {
			t.Errorf("driver_internal_info/%s: the API masks it, a lookup shows %v", k, got.Node.Internal[k])
		}
	}
	w.set(func(n *ironic.Node) { // numbers, and what lies within something secret
		n.InstanceInfo = secrets(map[string]any{"admin_pass": 471147, "passwords": map[string]any{"db": hush, "pin": 471147}, "tokens": []any{hush},
			"link": "https://u:" + hush + "@h/x?sig=" + hush})
	})
	if got, raw := lookup(); strings.Contains(raw, hush) || strings.Contains(raw, "471147") || got.Node.InstanceInfo["link"] != "https://h/x" {
		t.Errorf("a lookup shows a secret: %s", raw)
	}
}

// counting counts what is asked of a store.
type counting struct {
	ironic.Store
	ports, inventories *atomic.Int32
}

func (a counting) Port(ctx context.Context, ident string) (*ironic.Port, error) {
	a.ports.Add(1)
	return a.Store.Port(ctx, ident)
}

func (a counting) Inventory(ctx context.Context, node string) (*ironic.Inventory, error) {
	a.inventories.Add(1)
	return a.Store.Inventory(ctx, node)
}

// Anybody may look up and send heartbeats: what a stranger's costs is bounded.
func TestStrangersCallsCostLittle(t *testing.T) {
	var asked counting
	var log bytes.Buffer
	w := newWorld(t, func(c *conductor.Config) {
		asked = counting{c.Store, new(atomic.Int32), new(atomic.Int32)}
		c.Store, c.AgentNets = asked, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	n := w.node("manageable")
	w.script[n.UUID] = "dead"
	away := agentapi.Heartbeat{CallbackURL: "http://198.51.100.7:9999", AgentToken: "wrong"}
	if err := w.c.Heartbeat(t.Context(), n.UUID, away); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "expects no heartbeat") {
		t.Errorf("a heartbeat that nobody waits for: %v", err)
	}
	w.provision("inspect")
	w.await("inspect wait")
	if err := w.c.Heartbeat(t.Context(), n.UUID, away); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "agent token") {
		t.Errorf("a heartbeat with a wrong token: %v", err)
	}
	if got := asked.inventories.Load(); got != 0 {
		t.Errorf("an inventory was read %d times for whoever has no token", got)
	}
	var macs []string
	for i := range 50000 {
		macs = append(macs, fmt.Sprintf("52:54:00:%02x:%02x:%02x", 16+i>>16, i>>8&255, i&255))
	}
	asked.ports.Store(0)
	_, err := w.c.Lookup(t.Context(), macs, "")
	if !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "and 49990 more: no port has any of the first 128 of these 50000 addresses") {
		t.Errorf("50000 addresses: %.300v", err)
	}
	if got := asked.ports.Load(); got != 128 {
		t.Errorf("%d ports were looked for", got)
	}
	w.stop() // nobody writes into the log any more
	if !strings.Contains(log.String(), macs[9]) || strings.Contains(log.String(), macs[10]) {
		t.Errorf("the log has other addresses than the first ten: %.600s", log.String())
	}
}
