package galera

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// node is a machine with folders of its own and a check that answers at 127.0.0.N.
type node struct {
	Folders
	mu     sync.Mutex
	status map[string]string
	down   error
	found  string   // by recovery; empty: ten times its number
	stays  *Checker // that answers; nil: one that asks the server anew each time
}

func (n *node) checker() *Checker {
	return &Checker{Folders: n.Folders, Status: func(context.Context, string) (map[string]string, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.status, n.down
	}}
}

// serves has the server be of a majority, or not.
func (n *node) serves(status, ready, comment, last string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down, n.status = nil, map[string]string{"wsrep_cluster_status": status, "wsrep_ready": ready, "wsrep_local_state_comment": comment,
		"wsrep_local_state_uuid": cluster, "wsrep_last_committed": last}
}

func newNode(t *testing.T) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{Folders: Folders{filepath.Join(dir, "data"), filepath.Join(dir, "run")}, down: errors.New("connection refused")}
	for _, d := range []string{n.Data, n.Run} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func (n *node) put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

const saved = "# GALERA saved state\nversion: 2.1\nuuid:    " + cluster + "\nseqno:   -1\nsafe_to_bootstrap: 0\n"

const view = "my_uuid: aa11\n#vwbeg\nview_id: 3 aa11 5\nbootstrap: 0\nmember: aa11 0\nmember: bb22 0\n#vwend\n"

func TestStateOnDisk(t *testing.T) {
	n := newNode(t)
	if s, err := n.OnDisk(); err != nil || s.UUID != "" || s.Seqno != Unknown || s.Safe || s.Unread {
		t.Errorf("without data: %+v, %v", s, err)
	}
	n.put(t, n.grastate(), saved)
	n.put(t, n.gvwstate(), view)
	n.put(t, n.position(), other+":12\n")
	if s, _ := n.OnDisk(); s.Seqno != Unknown {
		t.Errorf("a position of other data is taken: %+v", s)
	}
	n.put(t, n.position(), cluster+":12\n")
	s, err := n.OnDisk()
	if err != nil || s.UUID != cluster || s.Seqno != 12 || s.Doubt || s.Node != "aa11" || !slices.Equal(s.View, []string{"aa11", "bb22"}) {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestStateWithoutIdentity: Galera takes it away around each change of a definition,
// and while data are copied.
func TestStateWithoutIdentity(t *testing.T) {
	n := newNode(t)
	n.put(t, n.grastate(), strings.NewReplacer(cluster, nobody, "bootstrap: 0", "bootstrap: 1").Replace(saved))
	n.put(t, n.gvwstate(), view)
	if s, err := n.OnDisk(); err != nil || !s.Unread || s.UUID != "" || s.Safe {
		t.Errorf("before recovery: %+v, %v", s, err)
	}
	n.put(t, n.position(), cluster+":12\n")
	if s, err := n.OnDisk(); err != nil || s.Unread || s.UUID != cluster || s.Seqno != 12 || !s.Doubt || s.Safe || len(s.View) != 2 {
		t.Errorf("recovery found it in the data: %+v, %v", s, err)
	}
	n.put(t, n.position(), nobody+":-1\n")
	if s, err := n.OnDisk(); err != nil || s.Unread || s.UUID != "" || s.Safe || s.Lost {
		t.Errorf("of a machine that never came in: %+v, %v", s, err)
	}
	n.put(t, n.grastate(), saved)
	n.put(t, n.transfer(), "")
	if s, err := n.OnDisk(); err != nil || !s.Lost || s.UUID != "" || s.Seqno != Unknown {
		t.Errorf("while another's data are copied: %+v, %v", s, err)
	}
}

// TestDataWithoutIdentityGetItBack: Galera would otherwise begin another cluster with it.
// While the first data come it has an empty file.
func TestDataWithoutIdentityGetItBack(t *testing.T) {
	for _, was := range []string{strings.Replace(saved, cluster, nobody, 1), ""} {
		_, starters := world(t)
		s := starters[0]
		s.Config = &Config{s.Config.Address, s.Config.Port, s.Config.Machines[:1]}
		n := &node{Folders: s.Folders}
		n.put(t, n.grastate(), was)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if data, _ := os.ReadFile(n.grastate()); !strings.Contains(string(data), "uuid:    "+cluster) || !strings.Contains(string(data), "safe_to_bootstrap: 1") {
			t.Errorf("Galera is told\n%s", data)
		}
	}
}

// world is three machines whose checks answer on addresses of their own.
func world(t *testing.T) ([]*node, []*Starter) {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := net.SplitHostPort(probe.Addr().String())
	probe.Close()
	port, _ := strconv.Atoi(text)
	var nodes []*node
	var machines []Machine
	var starters []*Starter
	for _, name := range []string{"c-0", "c-1", "c-2"} {
		n := newNode(t)
		address := "127.0.0." + strconv.Itoa(len(nodes)+1)
		l, err := net.Listen("tcp", net.JoinHostPort(address, text))
		if err != nil {
			t.Fatal(err)
		}
		srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := n.stays
			if c == nil {
				c = n.checker()
				c.ask(r.Context())
			}
			c.ServeHTTP(w, r)
		})}}
		srv.Start()
		t.Cleanup(srv.Close)
		nodes, machines = append(nodes, n), append(machines, Machine{name, address})
	}
	for i, n := range nodes {
		starters = append(starters, &Starter{Member: Member{Config: &Config{machines[i].Address, port, machines}, Folders: n.Folders, Log: &bytes.Buffer{}}, Pause: time.Millisecond,
			Recover: func(context.Context) (string, error) { return cmp.Or(n.found, cluster+":"+strconv.Itoa(10*(i+1))), nil }})
	}
	return nodes, starters
}

// TestOneBegins: of machines that start side by side, exactly one begins the cluster.
func TestOneBegins(t *testing.T) {
	for name, prepare := range map[string]struct {
		data  func(*node)
		first int
	}{
		"for the first time":                          {func(*node) {}, 0},
		"after all were killed":                       {func(n *node) { n.put(t, n.grastate(), saved) }, 2}, // its position is the highest
		"after all were killed while a table changed": {func(n *node) { n.put(t, n.grastate(), strings.Replace(saved, cluster, nobody, 1)) }, 2},
		"after a first start that ended early, by all": {func(n *node) {
			n.put(t, n.grastate(), strings.Replace(saved, cluster, nobody, 1))
			n.found = nobody + ":-1"
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			nodes, starters := world(t)
			for _, n := range nodes {
				prepare.data(n)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			began := make(chan int, len(starters))
			var wg sync.WaitGroup
			for i, s := range starters {
				wg.Go(func() {
					if s.Start(ctx) == nil {
						began <- i
					}
				})
			}
			first := <-began
			if env, _ := os.ReadFile(nodes[first].env()); first != prepare.first || string(env) != "_WSREP_NEW_CLUSTER=--wsrep-new-cluster\n" {
				t.Errorf("machine %d goes on first, with %q", first, env)
			}
			if data, err := os.ReadFile(nodes[first].grastate()); err == nil && !strings.Contains(string(data), "safe_to_bootstrap: 1") {
				t.Errorf("Galera is not told: %s", data)
			}
			time.Sleep(50 * time.Millisecond) // the others must not follow before it serves
			if len(began) > 0 {
				t.Error("another one goes on while the first is not there yet")
			}
			nodes[first].serves("Primary", "ON", "Synced", "30")
			wg.Wait()
			if len(began) != 2 {
				t.Fatalf("%d others go on", len(began))
			}
			for i := range 2 {
				at := <-began
				if env, _ := os.ReadFile(nodes[at].env()); string(env) != "_WSREP_NEW_CLUSTER=\n" {
					t.Errorf("other %d, machine %d, goes on with %q", i, at, env)
				}
			}
		})
	}
}
