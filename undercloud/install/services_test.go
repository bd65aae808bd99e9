package install_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"

	"trefoil/ironic"
	"trefoil/undercloud/compute"
	"trefoil/undercloud/identity"
	"trefoil/undercloud/image"
	"trefoil/undercloud/network"
	"trefoil/undercloud/secret"
	"trefoil/undercloud/store/sqlite"
)

// cloud is the services around bare metal, listening.
type cloud struct {
	AuthURL string
	Network *network.Service
	close   func()
}

// nodes is a store of nodes that only lists.
type nodes struct {
	ironic.Store
	list []*ironic.Node
}

func (n *nodes) Nodes(context.Context, ironic.NodeFilter) ([]*ironic.Node, error) { return n.list, nil }

type listenFunc func(service string) (net.Listener, error)

// anyPort listens on loopback, on a port that the kernel picks.
func anyPort(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// startCloud wires the services as cmd/undercloud does, on listeners of the test's choice.
func startCloud(ctx context.Context, dir, host, password string, ironicNodes []*ironic.Node, listen listenFunc) (*cloud, error) {
	db, err := sqlite.Open(ctx, filepath.Join(dir, "state.db"))
	if err != nil {
		return nil, err
	}
	key, err := secret.LoadKey(filepath.Join(dir, "key"))
	if err != nil {
		return nil, err
	}
	images, err := image.New(ctx, image.Config{Store: sqlite.NewImages(db), Dir: filepath.Join(dir, "images")})
	if err != nil {
		return nil, err
	}
	nets := network.New(network.Config{Store: sqlite.NewNetworks(db), Reserved: []netip.Addr{netip.MustParseAddr("192.168.255.1")}})
	comp := compute.New(compute.Config{Store: sqlite.NewCompute(db), Hostname: host,
		Servers: &compute.Nodes{Store: &nodes{list: ironicNodes}, Network: nets}})
	listeners := map[string]net.Listener{}
	var catalog []identity.Endpoint
	for _, s := range []identity.Endpoint{{Type: "identity", Name: "keystone"}, {Type: "image", Name: "glance"},
		{Type: "network", Name: "neutron"}, {Type: "compute", Name: "nova", URL: "/v2.1"}} {
		l, err := listen(s.Type)
		if err != nil {
			return nil, err
		}
		listeners[s.Type] = l
		s.URL = "http://" + l.Addr().String() + s.URL
		catalog = append(catalog, s)
	}
	id := identity.New(identity.Config{Key: key, AuthURL: catalog[0].URL, Catalog: catalog, Revocations: sqlite.NewRevocations(db),
		Users: []identity.User{{Name: "admin", Password: password, Projects: []string{"admin"}}}})
	root := http.NewServeMux()
	root.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {})
	root.Handle("/", id.Handler())
	handlers := map[string]http.Handler{"identity": root, "image": id.Middleware(images.Handler(), "/", "/versions"),
		"network": id.Middleware(nets.Handler(), "/"), "compute": id.Middleware(comp.Handler(), "/", "/v2.1")}
	c := &cloud{AuthURL: catalog[0].URL, Network: nets}
	var servers []*http.Server
	for name, l := range listeners {
		srv := &http.Server{Handler: handlers[name]}
		servers = append(servers, srv)
		go func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				panic(err)
			}
		}()
	}
	c.close = func() {
		for _, s := range servers {
			_ = s.Close()
		}
		_ = db.Close()
	}
	return c, nil
}

func newCloud(t *testing.T, ironicNodes ...*ironic.Node) *cloud {
	t.Helper()
	c, err := startCloud(t.Context(), t.TempDir(), "undercloud.openstack.rnd", "s3cret", ironicNodes, anyPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}
