package deploy_test

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"strings"
	"testing"

	xssh "golang.org/x/crypto/ssh"

	"trefoil/internal/errs"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/resource"
	"trefoil/overcloud/ssh"
	"trefoil/overcloud/stack"
)

// brittle is a node's SSH server that tells of two resources and then dies, as a
// machine without power does.
func brittle(t *testing.T, hostPEM string) string {
	t.Helper()
	host, err := ssh.ParseKey([]byte(hostPEM))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &xssh.ServerConfig{PublicKeyCallback: func(xssh.ConnMetadata, xssh.PublicKey) (*xssh.Permissions, error) { return nil, nil }}
	cfg.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		l.Close() // nobody answers any more
		defer c.Close()
		_, chans, reqs, err := xssh.NewServerConn(c, cfg)
		if err != nil {
			return
		}
		go xssh.DiscardRequests(reqs)
		ch, creqs, err := (<-chans).Accept()
		if err != nil {
			return
		}
		for r := range creqs {
			_ = r.Reply(true, nil)
			if r.Type == "exec" {
				_, _ = io.WriteString(ch, `{"event":"changed","key":"file:/a"}`+"\n"+`{"event":"start","key":"unit:keystone"}`+"\n")
				return
			}
		}
	}()
	return l.Addr().String()
}

func TestConnectionThatBreaksInAStepIsUnavailable(t *testing.T) {
	pub, pem, err := ssh.NewHostKey(rand.Reader, "host")
	if err != nil {
		t.Fatal(err)
	}
	_, user, err := ssh.NewHostKey(rand.Reader, "user")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseKey([]byte(user))
	if err != nil {
		t.Fatal(err)
	}
	r := &deploy.Remote{Dialer: &ssh.Dialer{Key: key}}
	n := stack.Node{Node: plan.Node{Name: "overcloud-controller-0", Address: brittle(t, pem), HostKey: pub}}
	var seen []string
	tell := func(ev resource.Event) { seen = append(seen, ev.Event+" "+ev.Key) }
	err = r.Apply(t.Context(), n, resource.Document{Step: 3}, tell)
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "the connection to "+n.Address+" broke") || strings.Join(seen, ",") != "changed file:/a,start unit:keystone" {
		t.Errorf("%v after %v", err, seen)
	}
}

// outOfOrder is the end of a document's last resource, told while those of keys are under
// way: services are done side by side.
func outOfOrder(keys ...string) func(resource.Document) []resource.Event {
	return func(doc resource.Document) []resource.Event {
		var out []resource.Event
		for _, key := range keys {
			out = append(out, resource.Event{Event: "start", Key: key})
		}
		last := doc.Resources[len(doc.Resources)-1].Key()
		return append(out, resource.Event{Event: "start", Key: last}, resource.Event{Event: "changed", Key: last})
	}
}

// What was under way on a lost node is what it began and did not end, and nothing where it told of no such thing.
func TestNodeLostNamesOnlyWhatWasUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		begun              []string
		key, service, says string
	}{
		"two":  {[]string{"unit:memcached", "unit:keystone"}, "unit:keystone", "keystone", " resources were done, unit:memcached, unit:keystone were under way: "},
		"none": {nil, "", "", " resources were done: the connection to "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.begin(stack.Create, 1)
			w.nodes.lose, w.nodes.lost = "3 overcloud-controller-0", outOfOrder(c.begun...)
			if f := w.run("CREATE_FAILED").Failures[0]; f.Key != c.key || f.Service != c.service || !strings.Contains(f.Error, c.says) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestNodeLostInStep3IsToldAndTheNextRunGoesOn: node, step, resource, address, what to do.
func TestNodeLostInStep3IsToldAndTheNextRunGoesOn(t *testing.T) {
	w := newWorld(t)
	w.begin(stack.Create, 1)
	w.nodes.lose, w.nodes.lost = "3 overcloud-controller-0", outOfOrder("unit:keystone")
	f := w.run("CREATE_FAILED").Failures[0]
	if f.Node != "overcloud-controller-0" || f.Phase != "step 3" || f.Key != "unit:keystone" || f.Service != "keystone" || !strings.Contains(f.Error, "192.168.255.11") ||
		!strings.Contains(f.Error, "cannot be reached any more, 1 of ") || !strings.Contains(f.Error, " resources were done, unit:keystone was under way: ") || !strings.Contains(f.Hint, "goes on with step 3") || !strings.Contains(f.Hint, "uuid-control-1") {
		t.Errorf("%+v", f)
	}
	w.nodes.lose, w.nodes.order = "", nil
	w.begin(stack.Update, 1)
	if s := w.run("UPDATE_COMPLETE"); w.cloud.deploys != 3 || s.Summary.NodesAdded != 0 {
		t.Errorf("deployed again: %d, %+v", w.cloud.deploys, s.Summary)
	}
}

func TestImageThatLacksAPackageIsRefusedBeforeAnyMachineIsTouched(t *testing.T) {
	w := newWorld(t)
	w.cloud.packages = []string{"chrony", "kmod", "libvirt-clients", "libvirt-daemon-system", "openvswitch-switch", "procps", "qemu-system-x86", "qemu-utils", "tzdata"}
	w.begin(stack.Create, 1)
	f := w.run("CREATE_FAILED").Failures[0]
	if !strings.Contains(f.Error, "image overcloud-full lacks keystone, which service keystone of role Controller needs") || strings.Contains(f.Error, "lacks chrony") || !strings.Contains(f.Hint, "image build") {
		t.Errorf("%+v", f)
	}
	if nodes, _ := w.db.StackNodes(context.Background(), "id"); w.cloud.deploys != 0 || len(nodes) != 0 {
		t.Errorf("%d machines were deployed, %d chosen", w.cloud.deploys, len(nodes))
	}
}
