package galera

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
)

// until looks until something is so; what is asserted is only that it comes.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 20000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it does not come to it: " + what)
}

func TestWhoWaitsSaysForWhom(t *testing.T) {
	nodes, starters := world(t)
	s, n := starters[1], nodes[1]
	n.put(t, n.grastate(), saved)
	s.Config.Machines[2].Address = "127.0.0.99" // nobody is there
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	until(t, "it waits", func() bool { return there(n.waiting()) })
	if err := Force(ctx, s.Config, n.Folders); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	said := s.Log.(*bytes.Buffer).String()
	if want := "galera: the database waits: c-2 (127.0.0.99) may have newer data and cannot be asked; start that machine, or"; strings.Count(said, want) != 1 || !strings.Contains(said, "galera-force was given") {
		t.Errorf("it says\n%s", said)
	}
	if there(n.force()) || there(n.waiting()) {
		t.Error("what was told stays for the next start")
	}
}

// TestForceIsHeardOnlyWhereSomethingWaits: it must not begin a second cluster, now or later.
func TestForceIsHeardOnlyWhereSomethingWaits(t *testing.T) {
	nodes, starters := world(t)
	s, n := starters[1], nodes[1]
	if err := Force(t.Context(), s.Config, n.Folders); !errs.Is(err, errs.Conflict) || there(n.force()) {
		t.Errorf("nothing waits: %v", err)
	}
	n.put(t, n.waiting(), "")
	nodes[2].serves("Primary", "ON", "Synced", "7")
	if err := Force(t.Context(), s.Config, n.Folders); !errs.Is(err, errs.Conflict) || there(n.force()) || !strings.Contains(err.Error(), "c-2 (127.0.0.3) serves") {
		t.Errorf("beside a cluster that serves: %v", err)
	}
	nodes[2].down = errors.New("gone")
	n.put(t, n.transfer(), "")
	if err := Force(t.Context(), s.Config, n.Folders); !errs.Is(err, errs.Conflict) || there(n.force()) {
		t.Errorf("with half of another's data: %v", err)
	}
	if err := forget(n.transfer()); err != nil {
		t.Fatal(err)
	}
	n.put(t, n.grastate(), strings.Replace(saved, cluster, nobody, 1))
	n.put(t, n.position(), cluster+":12\n")
	nodes[0].put(t, nodes[0].grastate(), saved)
	if err := Force(t.Context(), s.Config, n.Folders); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "those of c-0 (127.0.0.1) are whole") {
		t.Errorf("with what may be half, beside whole data: %v", err)
	}
	nodes[0].put(t, nodes[0].grastate(), strings.Replace(saved, cluster, other, 1))
	if err := Force(t.Context(), s.Config, n.Folders); err != nil || !there(n.force()) {
		t.Errorf("with the best there is: %v", err)
	}
}

// TestForceKeepsTheNewestData: whoever joins the cluster that it begins is given what is
// here, over what it has.
func TestForceKeepsTheNewestData(t *testing.T) {
	at := func(uuid, seqno string) string {
		return strings.NewReplacer(cluster, uuid, "seqno:   -1", "seqno:   "+seqno).Replace(saved)
	}
	for name, c := range map[string]struct {
		own, other string // grastate
		prepare    func(t *testing.T, own, other *node)
		want, hint string // empty: it is heard
	}{
		"no data beside some":                  {"", at(cluster, "900"), nil, "c-0 (127.0.0.1) has newer data (900, here none)", "give it there"},
		"no data beside some nobody looked at": {"", at(cluster, "-1"), nil, "c-0 (127.0.0.1) has newer data (not known, here none)", "give it there"},
		"less":                                 {at(cluster, "899"), at(cluster, "900"), nil, "c-0 (127.0.0.1) has newer data (900, here 899)", "give it there"},
		"beside what nobody has looked at":     {at(cluster, "899"), at(nobody, "-1"), nil, "c-0 (127.0.0.1) has not looked yet", "systemctl start mariadb there"},
		"beside an unknown position":           {at(cluster, "899"), at(cluster, "-1"), nil, "c-0 (127.0.0.1) has not looked yet", "systemctl start mariadb there"},
		"beside a server that has more": {at(cluster, "899"), at(cluster, "-1"), func(_ *testing.T, _, other *node) { other.serves("non-Primary", "OFF", "Initialized", "900") },
			"c-0 (127.0.0.1) has newer data (900, here 899)", "give it there"},
		"beside one that begins": {at(cluster, "900"), at(cluster, "899"), func(t *testing.T, _, other *node) { other.put(t, other.begun(), "") },
			"c-0 (127.0.0.1) begins the cluster", "if it cannot start: systemctl stop mariadb there"},
		"the same":               {at(cluster, "900"), at(cluster, "900"), nil, "", ""},
		"more":                   {at(cluster, "901"), at(cluster, "900"), nil, "", ""},
		"of another cluster":     {at(cluster, "1"), at(other, "900"), nil, "", ""},
		"nobody has any":         {"", "", nil, "", ""},
		"beside half of another": {at(cluster, "1"), at(cluster, "900"), func(t *testing.T, _, other *node) { other.put(t, other.transfer(), "") }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			nodes, starters := world(t)
			s, own, other := starters[1], nodes[1], nodes[0]
			s.Config.Machines[2].Address = "127.0.0.99" // nobody is there
			own.put(t, own.waiting(), "")
			for n, text := range map[*node]string{own: c.own, other: c.other} {
				if text != "" {
					n.put(t, n.grastate(), text)
				}
			}
			if c.prepare != nil {
				c.prepare(t, own, other)
			}
			err := Force(t.Context(), s.Config, own.Folders)
			if c.want == "" && (err != nil || !there(own.force())) {
				t.Errorf("it is refused: %v", err)
			}
			if c.want != "" && (!errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), c.want) || !strings.Contains(errs.HintOf(err), c.hint) || there(own.force())) {
				t.Errorf("%v (%s)", err, errs.HintOf(err))
			}
			own.put(t, own.force(), "") // it was given, and then the other was heard
			d, err := s.choose(t.Context())
			if err != nil || (d.Act == Begin) != (c.want == "") || c.want != "" && there(own.force()) {
				t.Errorf("once given: %+v, %v", d, err)
			}
		})
	}
}

// TestForceDoesNotOutlastAStart: neither does one of before act, nor one beside a cluster.
func TestForceDoesNotOutlastAStart(t *testing.T) {
	nodes, starters := world(t)
	n := nodes[1]
	starters[1].Config.Machines[2].Address = "127.0.0.99" // nobody is there
	n.put(t, n.grastate(), saved)
	for _, name := range []string{n.force(), n.claim(), n.begun()} {
		n.put(t, name, "")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- starters[1].Start(ctx) }()
	until(t, "it waits", func() bool { return there(n.waiting()) })
	for _, name := range []string{n.force(), n.claim(), n.begun()} {
		if there(name) {
			t.Errorf("%s of an earlier start is there", name)
		}
	}
	nodes[0].serves("Primary", "ON", "Synced", "7")
	n.put(t, n.force(), "")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	cancel()
	if env, _ := os.ReadFile(n.env()); string(env) != "_WSREP_NEW_CLUSTER=\n" {
		t.Errorf("beside a cluster that serves it goes on with %q", env)
	}
}

// TestWhoHasBegunIsWaitedFor: between the decision and the first answer of the server.
func TestWhoHasBegunIsWaitedFor(t *testing.T) {
	nodes, starters := world(t)
	for _, n := range nodes {
		n.put(t, n.grastate(), strings.NewReplacer("seqno:   -1", "seqno: 9", "bootstrap: 0", "bootstrap: 1").Replace(saved))
	}
	if err := starters[0].Start(t.Context()); err != nil || !there(nodes[0].begun()) || there(nodes[0].claim()) {
		t.Fatalf("%v, begun %t, claim %t", err, there(nodes[0].begun()), there(nodes[0].claim()))
	}
	if d, err := starters[1].decide(t.Context()); err != nil || d.Act != Wait || d.Why != "c-0 (127.0.0.1) begins the cluster" {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestTwoClaims: the later of the list gives way, and the earlier waits until it has.
func TestTwoClaims(t *testing.T) {
	nodes, starters := world(t)
	nodes[1].put(t, nodes[1].claim(), "")
	if d, err := starters[0].decide(t.Context()); err != nil || d.Act != Wait || !there(nodes[0].claim()) {
		t.Errorf("the first: %+v, %v", d, err)
	}
	nodes[1].put(t, nodes[1].force(), "")
	if d, err := starters[1].decide(t.Context()); err != nil || d.Act != Wait || there(nodes[1].claim()) {
		t.Errorf("the second: %+v, %v", d, err)
	}
	if d, err := starters[0].decide(t.Context()); err != nil || d.Act != Begin {
		t.Errorf("then the first: %+v, %v", d, err)
	}
}

// survivor is the second of three machines, which runs on without a majority.
func survivor(t *testing.T) ([]*node, *Watcher, *int) {
	t.Helper()
	nodes, starters := world(t)
	n, began := nodes[1], 0
	n.put(t, n.grastate(), saved)
	n.put(t, n.gvwstate(), view) // aa11 and bb22
	n.serves("non-Primary", "OFF", "Initialized", "30")
	w := &Watcher{Member: starters[1].Member, Steady: 3, Bootstrap: func(context.Context) error { began++; return nil }}
	w.Own = func(ctx context.Context) (State, error) {
		c := n.checker()
		c.ask(ctx)
		return c.State()
	}
	return nodes, w, &began
}

// look has the watcher look as often as it must.
func look(t *testing.T, w *Watcher, times int) {
	t.Helper()
	for range times {
		if err := w.once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSurvivorBegins: two of three died, and the third ran on without a majority.
func TestSurvivorBegins(t *testing.T) {
	nodes, w, began := survivor(t)
	home := w.Config.Machines[2].Address
	w.Config.Machines[2].Address = "127.0.0.99" // nobody is there
	look(t, w, 5)
	if *began != 0 || !there(nodes[1].waiting()) {
		t.Fatalf("began %d times before the other of its view was heard", *began)
	}
	w.Config.Machines[2].Address = home
	nodes[2].put(t, nodes[2].grastate(), saved)
	nodes[2].put(t, nodes[2].gvwstate(), strings.Replace(view, "my_uuid: aa11", "my_uuid: bb22", 1))
	look(t, w, 5)
	if *began != 0 {
		t.Fatal("it began before the other had looked")
	}
	nodes[2].put(t, nodes[2].position(), cluster+":30\n")
	look(t, w, 2)
	if *began != 0 {
		t.Fatal("it began at once, though servers come together by themselves")
	}
	look(t, w, 1)
	if *began != 1 || !there(nodes[1].begun()) {
		t.Fatalf("began %d times", *began)
	}
	nodes[1].serves("Primary", "ON", "Synced", "31")
	look(t, w, 1)
	for _, name := range []string{nodes[1].begun(), nodes[1].claim(), nodes[1].waiting()} {
		if there(name) {
			t.Errorf("%s stays though it serves", name)
		}
	}
}

func TestSurvivorWithLessWaits(t *testing.T) {
	nodes, w, began := survivor(t)
	for _, i := range []int{0, 2} {
		nodes[i].put(t, nodes[i].grastate(), saved)
		nodes[i].put(t, nodes[i].position(), cluster+":31\n")
	}
	look(t, w, 10)
	if said := w.Log.(*bytes.Buffer).String(); *began != 0 || !strings.Contains(said, "c-0 (127.0.0.1) has the newest data (31, here 30)") {
		t.Errorf("began %d times, says %s", *began, said)
	}
}

func TestSurvivorThatFailsToBeginSaysSo(t *testing.T) {
	nodes, w, _ := survivor(t)
	w.Steady, w.Bootstrap = 1, func(context.Context) error { return errors.New("access denied") }
	nodes[1].put(t, nodes[1].waiting(), "")
	nodes[1].put(t, nodes[1].force(), "")
	if err := w.once(t.Context()); err == nil || !strings.Contains(err.Error(), "access denied") || there(nodes[1].begun()) {
		t.Errorf("%v, begun %t", err, there(nodes[1].begun()))
	}
}

func TestCheckAnswers(t *testing.T) {
	n := newNode(t)
	ask := func(path string) *httptest.ResponseRecorder {
		c := n.checker()
		c.ask(t.Context())
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	if w := ask("/"); w.Code != 503 || !strings.Contains(w.Body.String(), "connection refused") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	n.serves("Primary", "ON", "Donor/Desynced", "7")
	if w := ask("/"); w.Code != 503 {
		t.Errorf("a server that gives its data to another takes clients: %d %s", w.Code, w.Body)
	}
	n.serves("Primary", "OFF", "Synced", "7")
	if w := ask("/"); w.Code != 503 {
		t.Errorf("a server that is not ready takes clients: %d %s", w.Code, w.Body)
	}
	n.serves("Primary", "ON", "Synced", "7")
	if w := ask("/"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	n.serves("non-Primary", "OFF", "Initialized", "7")
	if w := ask("/"); w.Code != 503 {
		t.Errorf("a server without a majority takes clients: %d %s", w.Code, w.Body)
	}
	n.put(t, n.grastate(), strings.Replace(saved, cluster, nobody, 1)) // as while a table changes
	var s State
	if w := ask(statePath); json.Unmarshal(w.Body.Bytes(), &s) != nil || !s.Running || s.Primary || s.UUID != cluster || s.Seqno != 7 || s.Unread {
		t.Errorf("%s", w.Body)
	}
}

// TestCheckAnswersBesideAServerThatHangs: whoever asks is answered all the same.
// A busy machine is asked seldom, and still often enough for those that join.
func TestPause(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{0: time.Second, 150 * time.Millisecond: 1350 * time.Millisecond, 5 * time.Second: 2 * time.Second} {
		if got := pause(took); got != want || got >= freshFor*time.Second {
			t.Errorf("after %s: %s", took, got)
		}
	}
}

func TestCheckAnswersBesideAServerThatHangs(t *testing.T) {
	n := newNode(t)
	asked := make(chan bool)
	c := &Checker{Folders: n.Folders, Status: func(ctx context.Context, _ string) (map[string]string, error) {
		close(asked)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool)
	go func() { c.Refresh(ctx); close(ended) }()
	<-asked
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "has not been asked yet") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	c.mu.Lock()
	c.vars, c.at = map[string]string{"wsrep_cluster_status": "Primary", "wsrep_ready": "ON", "wsrep_local_state_comment": "Synced"}, time.Now().Add(-time.Hour)
	c.mu.Unlock()
	w = httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "nothing from it for 1h") {
		t.Errorf("an answer of an hour ago counts: %d %s", w.Code, w.Body)
	}
	cancel()
	<-ended
}

// A file that cannot be read is no machine without data.
func TestCheckThatCannotReadSaysSo(t *testing.T) {
	n := newNode(t)
	if err := os.Mkdir(n.grastate(), 0o755); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	n.checker().ServeHTTP(w, httptest.NewRequest(http.MethodGet, statePath, nil))
	if w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAServerThatHasLeftJoinsAgain: Galera has taken it out of its cluster, which is there.
func TestAServerThatHasLeftJoinsAgain(t *testing.T) {
	nodes, w, began := survivor(t)
	joined := 0
	w.Reconnect = func(context.Context) error { joined++; return nil }
	nodes[2].serves("Primary", "ON", "Synced", "31")
	look(t, w, 5)
	if joined != 0 {
		t.Fatal("one that joins by itself was told to")
	}
	nodes[1].status["wsrep_connected"] = "OFF"
	look(t, w, 2)
	if joined != 0 {
		t.Fatal("it was told at once")
	}
	look(t, w, 1)
	if joined != 1 || *began != 0 {
		t.Errorf("told %d times, began %d times", joined, *began)
	}
	w.Reconnect = func(context.Context) error { return errors.New("access denied") }
	look(t, w, 2)
	if err := w.once(t.Context()); err == nil || !strings.Contains(err.Error(), "which has left the cluster, join it again: access denied") {
		t.Errorf("got %v", err)
	}
}
