package apply

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/overcloud/resource"
)

// observed is a node that is looked at from several sides at once.
type observed struct {
	fake
	mu      sync.Mutex
	refused string // TCP addresses that do not answer
	journal string
}

func (o *observed) Run(ctx context.Context, c Command) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.Args[0] == "journalctl" {
		return o.journal, nil
	}
	return o.fake.Run(ctx, c)
}

func (o *observed) Probe(_ context.Context, w resource.Wait) error {
	if strings.Contains(o.refused, w.TCP) {
		return errors.New("connection refused")
	}
	return nil
}

func TestHealthNamesWhatIsWrongWithEachService(t *testing.T) {
	o := &observed{refused: "a:5000", journal: "ERROR cannot log in with password = s3cret-password\nnova-api.service: Main process exited\nStopped nova-api.service\n",
		fake: fake{units: map[string]string{"mariadb.service": "active", "nova-api.service": "failed", "slow.service": "activating", "keystone.service": "active"}, look: "scheduler\n"}}
	e := &Engine{Root: t.TempDir(), System: o, Now: time.Now}
	got, err := e.Health(t.Context(), []resource.Check{
		{Service: "mysql", Units: []string{"mariadb"}, Waits: []resource.Wait{{Name: "mysql", TCP: "a:3306"}}},
		{Service: "nova_api", Units: []string{"nova-api"}},
		{Service: "keystone", Units: []string{"keystone"}, Waits: []resource.Wait{{Name: "keystone", TCP: "a:5000"}}},
		{Service: "slow", Units: []string{"slow", "gone"}},
		{Service: "nova_scheduler", Waits: []resource.Wait{{Name: "nova-scheduler", SQL: "SELECT who is missing"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []resource.Health{
		{Service: "mysql", OK: true},
		{Service: "nova_api", Detail: "unit nova-api is failed: ERROR cannot log in with password = ******"},
		{Service: "keystone", Detail: "keystone: connection refused"},
		{Service: "slow", Detail: "unit slow is activating: nova-api.service: Main process exited; unit gone is not-found"},
		{Service: "nova_scheduler", Detail: "nova-scheduler: missing: scheduler"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, ran := range o.ran {
		if !strings.HasPrefix(ran, "systemctl show ") && !strings.HasPrefix(ran, "mysql ") {
			t.Errorf("a look ran %s", ran)
		}
	}
	if len(o.ran) != 2 {
		t.Errorf("systemd and the database were asked %d times", len(o.ran))
	}
}
