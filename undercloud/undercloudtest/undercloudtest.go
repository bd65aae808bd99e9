// Package undercloudtest serves the undercloud's real APIs on loopback for tests
// of their clients. Only the conductor is scripted: no machine is needed.
package undercloudtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
	inspectapi "trefoil/ironic/inspect/api"
	"trefoil/overcloud/stack"
	stackapi "trefoil/overcloud/stack/api"
	"trefoil/undercloud/compute"
	"trefoil/undercloud/identity"
	"trefoil/undercloud/image"
	"trefoil/undercloud/network"
	"trefoil/undercloud/secret"
	"trefoil/undercloud/store/sqlite"
)

// Password of the user admin.
const Password = "s3cret"

// Cloud is the services of one undercloud. Its fields may be used by tests to
// bring about what machines and operators do.
type Cloud struct {
	AuthURL   string // of the identity service, without /v3
	Nodes     *apitest.Store
	Conductor *Conductor
	DB        *sqlite.DB     // images, networks, flavors and stacks
	Stacks    *stack.Service // its jobs are in Enqueued

	Health []stack.ServiceHealth // of the machines of every stack

	t         *testing.T
	guard     func(http.Handler) http.Handler
	handlers  map[string]http.Handler
	addresses map[string]string
	listeners map[string]net.Listener // of services that were not started yet
	servers   []*httptest.Server
	mu        sync.Mutex
	enqueued  []string
	requests  []string
}

// Conductor is the scripted one, whose way to do a verb a test may choose.
type Conductor struct {
	*apitest.Conductor
	// Do, if set, is called instead for each verb; it may call Conductor.Provision.
	Do func(ctx context.Context, ident string, req api.ProvisionRequest) error
}

// Provision does what Do says.
func (c *Conductor) Provision(ctx context.Context, ident string, req api.ProvisionRequest) error {
	if c.Do != nil {
		return c.Do(ctx, ident, req)
	}
	return c.Conductor.Provision(ctx, ident, req)
}

// New starts the services; the test's end stops them.
func New(t *testing.T) *Cloud {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	nodes := apitest.NewStore()
	c := &Cloud{t: t, DB: db, Nodes: nodes, Conductor: &Conductor{Conductor: apitest.NewConductor(nodes)}, addresses: map[string]string{}, listeners: map[string]net.Listener{}}
	c.make(dir)
	c.Start()
	t.Cleanup(c.Stop)
	return c
}

// make wires the services as cmd/undercloud does.
func (c *Cloud) make(dir string) {
	c.t.Helper()
	key, err := secret.LoadKey(filepath.Join(dir, "key"))
	if err != nil {
		c.t.Fatal(err)
	}
	images, err := image.New(c.t.Context(), image.Config{Store: sqlite.NewImages(c.DB), Dir: filepath.Join(dir, "images")})
	if err != nil {
		c.t.Fatal(err)
	}
	nets := network.New(network.Config{Store: sqlite.NewNetworks(c.DB)})
	comp := compute.New(compute.Config{Store: sqlite.NewCompute(c.DB), Hostname: "undercloud", Servers: &compute.Nodes{Store: c.Nodes, Network: nets}})
	c.Stacks = &stack.Service{Store: c.DB, NewID: uuid.NewString, Now: time.Now,
		Check:     func(context.Context, *stack.Stack) (*stack.Made, error) { return &stack.Made{}, nil },
		Passwords: func(old map[string]string) (map[string]string, error) { return old, nil },
		Enqueue: func(_ context.Context, job, _ string) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.enqueued = append(c.enqueued, job)
			return nil
		},
		Ended: func(context.Context, string) (bool, error) { return false, nil },
		Stop: func(ctx context.Context, job string) error {
			all, err := c.DB.Stacks(ctx)
			for _, s := range all {
				if err == nil && strings.HasPrefix(job, "stack-"+s.ID) {
					_, err = c.DB.UpdateStack(ctx, s.ID, func(s *stack.Stack) error { s.State = stack.Failed; return nil })
				}
			}
			return err
		}}
	catalog := c.listen()
	id := identity.New(identity.Config{Key: key, AuthURL: c.AuthURL, Catalog: catalog, Revocations: sqlite.NewRevocations(c.DB),
		Users: []identity.User{{Name: "admin", Password: Password, Projects: []string{"admin"}}}})
	c.guard = func(h http.Handler) http.Handler { return id.Middleware(h) }
	quiet := slog.New(slog.DiscardHandler)
	c.handlers = map[string]http.Handler{
		"identity": id.Handler(), "image": id.Middleware(images.Handler(), "/", "/versions"),
		"baremetal": api.New(api.Config{Store: c.Nodes, Conductor: c.Conductor, Log: quiet,
			Auth: func(h http.Handler) http.Handler { return id.Authenticated(h) }, Caller: identity.Caller}),
		"baremetal-introspection": inspectapi.New(inspectapi.Config{Store: c.Nodes, Conductor: c.Conductor, Auth: c.guard, Log: quiet}),
		"network":                 id.Middleware(nets.Handler(), "/"), "compute": id.Middleware(comp.Handler(), "/"),
		"orchestration": stackapi.New(stackapi.Config{Store: c.DB, Service: c.Stacks, Auth: c.guard, Log: quiet,
			Health: func(context.Context, *stack.Stack) ([]stack.ServiceHealth, error) { return c.Health, nil },
			Report: func(_ context.Context, _ *stack.Stack, node string, w io.Writer) error {
				if node == "overcloud-compute-0" {
					return errors.New("connect to it: no route to host")
				}
				_, err := io.WriteString(w, "logs of "+node)
				return err
			}}),
	}
}

// listen picks an address for each service and returns the catalog that names them.
// The loopback address is the test's own: a port of it is still free after a
// restart, which one of 127.0.0.1, where every program's connections end, may not be.
func (c *Cloud) listen() []identity.Endpoint {
	c.t.Helper()
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(256), 1+rand.IntN(250))
	catalog := identity.DefaultCatalog(func(string) string { return "http://" + host }, nil)
	for i, e := range catalog {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			c.t.Fatal(err)
		}
		c.listeners[e.Type], c.addresses[e.Type] = l, l.Addr().String()
		_, path, _ := strings.Cut(strings.TrimPrefix(e.URL, "http://"), "/")
		catalog[i].URL = strings.TrimSuffix("http://"+c.addresses[e.Type]+"/"+path, "/")
		catalog[i].Public = catalog[i].URL
	}
	c.AuthURL = "http://" + c.addresses["identity"]
	return catalog
}

// Start has the services answer, on the addresses that they always have.
func (c *Cloud) Start() {
	c.t.Helper()
	for name, l := range c.listeners {
		if c.handlers[name] == nil { // one that is not served here
			_ = l.Close()
			delete(c.listeners, name)
		}
	}
	for name, h := range c.handlers {
		l := c.listeners[name]
		delete(c.listeners, name)
		if l == nil {
			var err error
			if l, err = net.Listen("tcp", c.addresses[name]); err != nil {
				c.t.Fatal(err)
			}
		}
		srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: c.counted(h)}}
		srv.Start()
		c.servers = append(c.servers, srv)
	}
}

// ServeBaremetal has another store and conductor answer, the real ones for
// example. Cloud's own functions go on working on Nodes.
func (c *Cloud) ServeBaremetal(store ironic.Store, conductor api.Conductor) {
	c.t.Helper()
	c.Stop()
	c.handlers["baremetal"] = api.New(api.Config{Store: store, Conductor: conductor, Auth: c.guard, Log: slog.New(slog.DiscardHandler)})
	c.Start()
}

// ServeDocuments has the orchestration API show templates and environments made by d.
func (c *Cloud) ServeDocuments(d stackapi.Documents) {
	c.ServeStacks(func(o *stackapi.Config) { o.Documents = d })
}

// ServeStacks has the orchestration API wired otherwise than at first.
func (c *Cloud) ServeStacks(change func(*stackapi.Config)) {
	c.t.Helper()
	c.Stop()
	o := stackapi.Config{Store: c.DB, Service: c.Stacks, Host: "undercloud", Version: "devel", Auth: c.guard, Log: slog.New(slog.DiscardHandler)}
	change(&o)
	c.handlers["orchestration"] = stackapi.New(o)
	c.Start()
}

// Stop ends the services as a kill does: connections break.
func (c *Cloud) Stop() {
	for _, s := range c.servers {
		s.CloseClientConnections()
		s.Close()
	}
	c.servers = nil
}

func (c *Cloud) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.requests = append(c.requests, r.Method+" "+r.URL.RequestURI())
		c.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// Requests returns what was asked of all services since the last call: "GET /v1/nodes?limit=1".
func (c *Cloud) Requests() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.requests
	c.requests = nil
	return out
}

// Enqueued are the jobs of actions on stacks, in order.
func (c *Cloud) Enqueued() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.enqueued...)
}

// AddNode stores a node that change has made what the test needs, with a port
// for each MAC. It is available and powered off unless change says otherwise.
func (c *Cloud) AddNode(name string, change func(*ironic.Node), macs ...string) *ironic.Node {
	c.t.Helper()
	n := &ironic.Node{UUID: uuid.NewString(), Name: name, Driver: "fake-hardware", ProvisionState: "available", PowerState: ironic.PowerOff,
		Properties: map[string]any{}, DriverInfo: map[string]any{}, InstanceInfo: map[string]any{}, Extra: map[string]any{}}
	if change != nil {
		change(n)
	}
	var ports []*ironic.Port
	for _, m := range macs {
		ports = append(ports, &ironic.Port{UUID: uuid.NewString(), Address: m, PXEEnabled: true})
	}
	if err := c.Nodes.CreateNode(c.t.Context(), n, ports...); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// Node reads a node, by name or uuid.
func (c *Cloud) Node(ident string) *ironic.Node {
	c.t.Helper()
	n, err := c.Nodes.Node(context.Background(), ident)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// SetNode edits a node behind everyone's back, as a conductor does.
func (c *Cloud) SetNode(uuid string, change func(*ironic.Node)) {
	c.t.Helper()
	if _, err := c.Nodes.UpdateNode(context.Background(), uuid, func(n *ironic.Node) error { change(n); return nil }); err != nil {
		c.t.Error(err)
	}
}

// Inspected keeps what a ramdisk has told of a node: its inventory, in the form of
// ironic-python-agent, and what else came with it.
func (c *Cloud) Inspected(name string, inventory, more map[string]any) {
	c.t.Helper()
	inv := ironic.Inventory{NodeUUID: c.Node(name).UUID, Inventory: inventory, PluginData: more, CreatedAt: time.Now()}
	if err := c.Nodes.SaveInventory(c.t.Context(), inv); err != nil {
		c.t.Fatal(err)
	}
}

// AddImage stores an image's record without bytes, as if they had all come.
func (c *Cloud) AddImage(name string, minDiskGB int) string {
	c.t.Helper()
	return c.addImage(name, image.Active, minDiskGB)
}

// AddHalfImage stores an image whose upload was broken off.
func (c *Cloud) AddHalfImage(name string) string {
	c.t.Helper()
	return c.addImage(name, image.Queued, 0)
}

func (c *Cloud) addImage(name, status string, minDiskGB int) string {
	c.t.Helper()
	now := time.Now()
	i := &image.Image{ID: uuid.NewString(), Name: name, Status: status, ContainerFormat: "bare", DiskFormat: "qcow2", MinDisk: minDiskGB,
		Visibility: "public", CreatedAt: now, UpdatedAt: now}
	if err := sqlite.NewImages(c.DB).CreateImage(c.t.Context(), i); err != nil {
		c.t.Fatal(err)
	}
	return i.ID
}
