//go:build bench

package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/conductor"
	"trefoil/ironic/driver"
	"trefoil/ironic/driver/fake"
	"trefoil/undercloud/jobs/durable"
	"trefoil/undercloud/store/sqlite"
)

// baremetal is the API with the real store, conductor and jobs behind it; only
// the machines are not there. Requests come over loopback on one connection.
type baremetal struct {
	t         *testing.T
	url       string
	db        *sqlite.DB
	conductor *conductor.Conductor
	nodes     int
}

func startBaremetal(t *testing.T) *baremetal {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "state.db"))
	must(t, err)
	runner := durable.New(durable.Config{Path: filepath.Join(dir, "jobs.db")})
	c := conductor.New(conductor.Config{Store: db, Jobs: runner, Host: "bench", SyncInterval: -1,
		Drivers: map[string]driver.Driver{fake.Name: &fake.Driver{}}})
	must(t, runner.Start(context.Background()))
	srv := httptest.NewServer(api.New(api.Config{Store: db, Conductor: c, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(func() {
		srv.Close()
		if err := runner.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &baremetal{t: t, url: srv.URL, db: db, conductor: c}
}

func (b *baremetal) do(method, path, body string) []byte {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	must(b.t, err)
	req.Header.Set("X-OpenStack-Ironic-API-Version", "1.82")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	must(b.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(b.t, err)
	if resp.StatusCode/100 != 2 {
		b.t.Fatalf("%s %s: %s: %s", method, path, resp.Status, data)
	}
	return data
}

func nodeUUID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

// create makes n nodes as an import does and returns milliseconds a node.
func (b *baremetal) create(n int) float64 {
	s := took(func() {
		for range n {
			b.do("POST", "/v1/nodes", fmt.Sprintf(`{"uuid":%q,"name":"bm-%05d","driver":%q,"resource_class":"baremetal",
"driver_info":{"ipmi_address":"192.0.2.7","ipmi_username":"admin"},
"properties":{"cpus":4,"memory_mb":8192,"local_gb":100,"cpu_arch":"x86_64","capabilities":"profile:compute,boot_option:local"}}`,
				nodeUUID(b.nodes), b.nodes, fake.Name))
			b.nodes++
		}
	})
	return s * 1000 / float64(n)
}

// list reads all nodes, page after page, and returns seconds.
func (b *baremetal) list(query string) float64 {
	return took(func() {
		for path, pages := "/v1/nodes?"+query, 1; path != ""; pages++ {
			body := b.do("GET", path, "")
			path = next(body)
			if pages > b.nodes/1000+1 {
				b.t.Fatalf("%d pages for %d nodes", pages, b.nodes)
			}
		}
	})
}

// next finds the link to the next page without reading the whole body as JSON,
// which would be the client's time and not the server's.
func next(body []byte) string {
	_, rest, ok := bytes.Cut(body[max(0, len(body)-400):], []byte(`"next"`))
	if !ok {
		return ""
	}
	_, rest, _ = bytes.Cut(rest, []byte(`"`))
	link, _, _ := bytes.Cut(rest, []byte(`"`))
	_, path, _ := strings.Cut(string(link), "/v1/")
	return "/v1/" + path
}

func benchNodes(t *testing.T) []Row {
	b := startBaremetal(t)
	say("API: nodes created and listed at 100, 1000 and 5000")
	create := []float64{b.create(100)}
	first := b.create(200)
	detail := func() float64 { return b.list("limit=1000&detail=true") * 1000 }
	brief := func() float64 { return b.list("limit=1000") * 1000 }
	one := func() float64 {
		return 1000 / perSecond(300*time.Millisecond, func() { b.do("GET", "/v1/nodes/"+nodeUUID(b.nodes/2), "") })
	}
	var perDetail, gets []float64
	var thousand []float64
	for _, size := range []int{b.nodes, 1000, 5000} {
		if size > b.nodes {
			create = append(create, b.create(size-b.nodes))
		}
		m := rounds(5, detail, brief, one)
		if size == 1000 {
			thousand = m
		}
		perDetail, gets = append(perDetail, m[0]*1000/float64(size)), append(gets, m[2])
	}
	const recorded = "peer: upstream Ironic on SQLite (recorded)"
	return append([]Row{
		{What: "node create, 200 on one connection", Ours: Figure{first, "ms each"}, Peer: Figure{17.7, "ms each"}, Less: true, Note: recorded},
		{What: "node list, 1000 in detail", Ours: Figure{thousand[0], "ms"}, Peer: Figure{360, "ms"}, Less: true, Note: recorded},
		{What: "node list, 1000 brief", Ours: Figure{thousand[1], "ms"}, Peer: Figure{210, "ms"}, Less: true, Note: recorded},
		{What: "node show, among 1000", Ours: Figure{thousand[2], "ms"}, Peer: Figure{5.5, "ms"}, Less: true, Note: recorded},
		{What: "cost of a node: create, 100 / 1000 / 5000", Series: series(create, "ms"), Note: flat(create)},
		{What: "cost of a node: list in detail, 300 / 1000 / 5000", Series: series(perDetail, "µs"), Note: flat(perDetail) + "; pages of 1000"},
		{What: "cost of a node: show, among 300 / 1000 / 5000", Series: series(gets, "ms"), Note: flat(gets)},
	}, provide(t))
}

// provide takes 100 machines that are not there from enroll to available.
func provide(t *testing.T) Row {
	b := startBaremetal(t)
	say("conductor: 100 nodes from enroll to available, without machines")
	b.create(100)
	s := took(func() {
		b.all("manage", "manageable")
		b.all("provide", "available")
	})
	return Row{What: "100 nodes: manage, provide (fake machines)", Ours: Figure{s, "s"}, Peer: Figure{10.3, "s"}, Less: true,
		Note: "peer: upstream Ironic, quiet run (recorded)"}
}

// all asks every node for a verb and waits until each is there.
func (b *baremetal) all(verb, to string) {
	b.t.Helper()
	for i := range b.nodes {
		b.do("PUT", "/v1/nodes/"+nodeUUID(i)+"/states/provision", fmt.Sprintf(`{"target":%q}`, verb))
	}
	deadline := time.Now().Add(2 * time.Minute)
	for i := range b.nodes {
		for {
			n, err := b.db.Node(context.Background(), nodeUUID(i))
			must(b.t, err)
			if n.ProvisionState == to && n.Reservation == "" {
				break
			}
			b.waitOn(n, to, deadline)
		}
	}
}

func (b *baremetal) waitOn(n *ironic.Node, to string, deadline time.Time) {
	b.t.Helper()
	if time.Now().After(deadline) {
		b.t.Fatalf("node %s is %s, waited for %s: %s", n.Name, n.ProvisionState, to, n.LastError)
	}
	time.Sleep(time.Millisecond)
}

func series(v []float64, unit string) string {
	var s []string
	for _, x := range v {
		s = append(s, number(x))
	}
	return strings.Join(s, " / ") + " " + unit
}

// flat says how a cost changes over the last step of the sizes; 1× is flat.
func flat(v []float64) string {
	n := len(v) - 1
	if n < 1 {
		return "no larger size was measured"
	}
	return fmt.Sprintf("at the largest %s× of the middle size (flat: 1×)", number(v[n]/v[n-1]))
}
