package check_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/check"
	"trefoil/overcloud/check/guest"
	"trefoil/overcloud/session"
)

// quick are options of a check whose waits for a guest end at once when their first look was in
// vain; those for a removal last as long as a busy machine needs. Its lines go to out.
func quick(out *bytes.Buffer) check.Options {
	return check.Options{
		Guest: func(context.Context) (*guest.Files, error) {
			return &guest.Files{Version: "6.1.0-56-cloud-amd64", Kernel: []byte("kernel"), Initramfs: []byte("initramfs")}, nil
		},
		External: check.External{CIDR: netip.MustParsePrefix("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.0.1"),
			First: netip.MustParseAddr("10.0.0.100"), Last: netip.MustParseAddr("10.0.0.120"), PhysicalNetwork: "datacentre"},
		Poll: time.Millisecond, Active: 50 * time.Millisecond, Boot: 50 * time.Millisecond, Settle: time.Minute, Late: 3 * lateness, Removal: time.Minute, Lines: out, Waiting: out,
	}
}

// get is HTTP to the floating IP.
func (f *fakeCloud) get(context.Context, string) (string, error) {
	f.Lock()
	defer f.Unlock()
	for _, srv := range f.rows["servers"] {
		if name := srv["name"].(string); strings.HasSuffix(name, "-a") {
			return name + ".novalocal\n", nil
		}
	}
	return "", errors.New("connection refused")
}

// run checks the cloud; its servers answer HTTP with the name of server a.
func run(t *testing.T, f *fakeCloud, s *session.Session, o check.Options) *check.Report {
	t.Helper()
	o.Get = f.get
	k, err := check.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := k.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f *fakeCloud) nothingLeft(t *testing.T) {
	t.Helper()
	if left := f.left(); len(left) > 0 {
		t.Errorf("left: %s", strings.Join(left, "; "))
	}
}

// results is the report, a step a line, without times and what is random.
func results(r *check.Report) string {
	var b strings.Builder
	for _, s := range r.Steps {
		b.WriteString(s.Name + " = " + s.Result + ": " + s.Detail + "\n")
	}
	text := regexp.MustCompile(`check-[0-9a-f]{8}`).ReplaceAllString(b.String(), "check-X")
	text = regexp.MustCompile(`(10\.213\.[0-9])\.[1-9][0-9]*`).ReplaceAllString(text, "$1.N") // in order of creation
	return regexp.MustCompile(`[0-9.]+ s\b`).ReplaceAllString(text, "N s")
}

func step(t *testing.T, r *check.Report, name string) check.Result {
	t.Helper()
	for _, s := range r.Steps {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no step %s in %s", name, results(r))
	return check.Result{}
}

func TestAllIsWell(t *testing.T) {
	f, s := newFake(t)
	var out bytes.Buffer
	r := run(t, f, s, quick(&out))
	want := `compute services = ok: 2 services up, servers may run on overcloud-novacompute-0, overcloud-novacompute-1
network agents = ok: 2 agents alive
volume services = ok: 1 services up
image = ok: kernel 6.1.0-56-cloud-amd64 and busybox, 1.0 MiB uploaded in N s
external network = ok: 10.0.0.0/24 made on datacentre
networks and router = ok: 10.213.1.0/24 and 10.213.2.0/24
volume = ok: 1 GB made
server a = ok: 10.213.2.N on overcloud-novacompute-0
server b = ok: 10.213.2.N, 10.213.3.N on overcloud-novacompute-1
DHCP = ok: 10.213.2.N; 10.213.2.N, 10.213.3.N
metadata = ok: check-X-a, check-X-b
ping across VXLAN = ok: 10.213.2.N on overcloud-novacompute-0 and 10.213.2.N on overcloud-novacompute-1 answer each other
ping through router = ok: 10.213.2.N reaches 10.213.3.N in the other network
floating IP = ok: check-X-a answers at 10.0.0.100
volume in server a = ok: 1 GB attached to check-X-a as vdb and detached
removal = ok: 16 objects
`
	if got := results(r); got != want {
		t.Errorf("got\n%s\nwant\n%s\n%s", got, want, out.String())
	}
	if r.OK != 16 || r.Failed+r.NotTested != 0 || !strings.Contains(r.Summary(), "Overcloud check: 16 ok, 0 not tested, 0 failed [") {
		t.Errorf("%s", r.Summary())
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 16 || strings.Contains(out.String(), "hunter2") {
		t.Errorf("%d lines:\n%s", len(lines), out.String())
	}
	f.nothingLeft(t)
}

func TestServerInError(t *testing.T) {
	f, s := newFake(t)
	f.faults["b"] = "No valid host was found. There are not enough hosts available."
	var out bytes.Buffer
	r := run(t, f, s, quick(&out))
	got := step(t, r, "server b")
	if got.Result != check.Failed || !strings.Contains(got.Detail, "No valid host was found") || !strings.Contains(got.Hint, "openstack hypervisor list") {
		t.Errorf("%+v", got)
	}
	if d := step(t, r, "DHCP"); d.Result != check.NotTested || d.Detail != "it needs: server b" {
		t.Errorf("%+v", d)
	}
	if r.Failed != 1 || step(t, r, "removal").Result != check.OK {
		t.Errorf("%s\n%s", r.Summary(), out.String())
	}
	f.nothingLeft(t)
}

// A whole look at a server costs Nova and Neutron seconds while they make it: most looks are at Nova's list.
func TestServersAreShownSeldom(t *testing.T) {
	f, s := newFake(t)
	f.building = 40
	shown := 0
	f.looked = func(path string) {
		if strings.HasPrefix(path, "GET /compute/v2.1/servers/") {
			shown++
		}
	}
	o := quick(&bytes.Buffer{})
	o.Active = time.Minute
	r := run(t, f, s, o)
	if a, b := step(t, r, "server a"), step(t, r, "server b"); a.Result != check.OK || b.Result != check.OK {
		t.Errorf("%+v\n%+v", a, b)
	}
	if shown < 2 || shown > 8 {
		t.Errorf("servers were shown %d times in 40 looks", shown)
	}
}

// What the cloud refuses is told in its own words, with what to try, and the rest is removed.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, request, body, step, detail, hint string }{
		{"quota", "POST servers", `{"forbidden": {"message": "Quota exceeded for cores: Requested 1, but already used 20 of 20 cores", "code": 403}}`, "server a", "Quota exceeded for cores", "openstack quota set"},
		{"image create", "POST images", `{"message": "You are not authorized to complete create_image action."}`, "image", "not authorized", "admin role"},
		{"network", "POST networks", `{"NeutronError": {"message": "Unable to create the flat network. Physical network datacentre is in use.", "type": "FlatNetworkInUse"}}`, "external network", "datacentre is in use", "--external-physical-network"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, s := newFake(t)
			f.refuse[c.request] = c.body
			r := run(t, f, s, quick(&bytes.Buffer{}))
			if got := step(t, r, c.step); got.Result != check.Failed || !strings.Contains(got.Detail, c.detail) || !strings.Contains(got.Hint, c.hint) {
				t.Errorf("%+v", got)
			}
			f.nothingLeft(t)
		})
	}
}

// A fact that a guest never tells is named, with what to look at, and the end of its console is shown.
func TestSilentGuest(t *testing.T) {
	for _, c := range []struct{ mute, step, detail, hint string }{
		{"dhcp", "DHCP", "not seen yet: dhcp 10.213.2.", "dnsmasq"},
		{"metadata", "metadata", "not seen yet: metadata check-", "shared_secret"},
		{"ping 10.213.2.", "ping across VXLAN", "not seen yet: ping 10.213.2.", "br-tun"},
		{"ping 10.213.3.", "ping through router", "not seen yet: ping 10.213.3.", "qrouter"},
	} {
		t.Run(c.step, func(t *testing.T) {
			f, s := newFake(t)
			f.mute = c.mute
			var out bytes.Buffer
			r := run(t, f, s, quick(&out))
			if got := step(t, r, c.step); got.Result != check.Failed || !strings.Contains(got.Detail, c.detail) || !strings.Contains(got.Hint, c.hint) {
				t.Errorf("%+v", got)
			}
			if !strings.Contains(out.String(), "-a: SeaBIOS") {
				t.Errorf("no console in\n%s", out.String())
			}
			f.nothingLeft(t)
		})
	}
}

func TestWhatACloudHasNot(t *testing.T) {
	f, s := newFake(t)
	f.hosts, f.noVolume = f.hosts[:1], true
	o := quick(&bytes.Buffer{})
	o.External = check.External{}
	r := run(t, f, f.login(t), o)
	for name, detail := range map[string]string{
		"ping across VXLAN":  "there is one compute host, overcloud-novacompute-0; on it the servers answer each other",
		"external network":   "no external network; give --external-cidr, --external-gateway and --external-pool",
		"floating IP":        "it needs: external network",
		"volume services":    "the catalog has no volume service",
		"volume":             "it needs: volume services",
		"volume in server a": "it needs: volume",
	} {
		if got := step(t, r, name); got.Result != check.NotTested || got.Detail != detail {
			t.Errorf("%+v", got)
		}
	}
	if r.Failed != 0 || r.NotTested != 6 {
		t.Error(r.Summary())
	}
	f.nothingLeft(t)
	f.hosts = nil
	if r = run(t, f, s, o); step(t, r, "compute services").Result != check.Failed || step(t, r, "server a").Result != check.NotTested {
		t.Errorf("no host: %s", results(r))
	}
}

func TestNoEndpoint(t *testing.T) {
	f, _ := newFake(t)
	f.noVolume, f.noNetwork = true, true
	if _, err := check.New(f.login(t), quick(&bytes.Buffer{})); !errs.Is(err, errs.NotFound) || !strings.Contains(err.Error(), "service network") || errs.HintOf(err) == "" {
		t.Errorf("%v (hint %q)", err, errs.HintOf(err))
	}
}

func TestTwoChecksAtOnce(t *testing.T) {
	dir := t.TempDir()
	l, err := check.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check.Lock(dir); !errs.Is(err, errs.Locked) {
		t.Errorf("second lock: %v", err)
	}
	l.Close()
	if l, err = check.Lock(dir); err != nil {
		t.Error(err)
	}
	l.Close()
}

// A deletion that was lost on its way is asked for again; one that is refused is told, and
// not waited for.
func TestDeletionsThatFail(t *testing.T) {
	f, s := newFake(t)
	lost := 0
	f.looked = func(request string) {
		if strings.HasPrefix(request, "DELETE ") && path.Base(path.Dir(request)) == "servers" && lost == 0 {
			lost++
			panic(http.ErrAbortHandler)
		}
	}
	r := run(t, f, s, quick(&bytes.Buffer{}))
	if got := r.Steps[len(r.Steps)-1]; lost != 1 || got.Name != "removal" || got.Result != check.OK {
		t.Errorf("%+v after %d lost", got, lost)
	}
	f.nothingLeft(t)

	f.looked, f.refuse["DELETE servers"] = nil, `{"forbidden": {"message": "locked by mary"}}`
	o := quick(&bytes.Buffer{})
	o.Settle = 2 * time.Second // what is in use by the servers stays
	r = run(t, f, s, o)
	if got := r.Steps[len(r.Steps)-1]; got.Result != check.Failed || strings.Count(got.Detail, "locked by mary") != 2 || strings.Contains(got.Detail, "servers to be gone") {
		t.Errorf("%+v", got)
	}
}

// A lost deletion is asked for again of every kind, also of those that are gone at once; a
// floating IP of somebody else, which has no name either, is not waited for.
func TestALostDeletionOfAnyKindIsMadeAgain(t *testing.T) {
	f, s := newFake(t)
	f.rows["floatingips"] = []row{{"id": "mine", "description": "mine"}}
	lost := map[string]bool{}
	f.looked = func(request string) {
		kind := path.Base(path.Dir(request))
		if strings.HasPrefix(request, "DELETE ") && kind != "os-volume_attachments" && !lost[kind] {
			lost[kind] = true
			panic(http.ErrAbortHandler)
		}
	}
	r := run(t, f, s, quick(&bytes.Buffer{}))
	if got := step(t, r, "removal"); got.Result != check.OK || len(lost) != 9 {
		t.Errorf("%+v; lost %v", got, lost)
	}
	if left := f.left(); len(left) != 1 || left[0] != "floatingips <nil>mine" {
		t.Errorf("left: %s", strings.Join(left, "; "))
	}
}

// Steps that do not wait for each other are done side by side: here the image is made only when there is a volume.
func TestSideBySide(t *testing.T) {
	f, s := newFake(t)
	o := quick(&bytes.Buffer{})
	build := o.Guest
	o.Guest = func(ctx context.Context) (*guest.Files, error) {
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(time.Millisecond) {
			f.Lock()
			n := len(f.rows["volumes"])
			f.Unlock()
			if n > 0 {
				return build(ctx)
			}
		}
		return nil, errors.New("no volume was made beside it")
	}
	if r := run(t, f, s, o); r.OK != 16 {
		t.Error(results(r))
	}
}
