package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/stack"
	"trefoil/overcloud/stack/api"
	"trefoil/undercloud/store/sqlite"
)

type world struct {
	t        *testing.T
	db       *sqlite.DB
	enqueued []string
	stopped  []string
	checked  error
	url      string
	handler  http.Handler
	service  *stack.Service
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, db: db}
	ids := 0
	svc := &stack.Service{Store: db, Now: func() time.Time { return time.Date(2020, 8, 14, 8, 0, 0, 0, time.UTC) },
		NewID: func() string { ids++; return strings.Repeat("a", 35) + string(rune('0'+ids)) },
		Check: func(context.Context, *stack.Stack) (*plan.Plan, error) { return &plan.Plan{}, w.checked },
		Passwords: func(old map[string]string) (map[string]string, error) {
			if old != nil {
				return old, nil
			}
			return map[string]string{"AdminPassword": "s3cret"}, nil
		},
		Enqueue: func(_ context.Context, job, _ string) error { w.enqueued = append(w.enqueued, job); return nil },
		Ended:   func(context.Context, string) (bool, error) { return false, nil },
		Stop: func(_ context.Context, job string) error {
			w.stopped = append(w.stopped, job)
			w.finish(stack.Failed)
			return nil
		}}
	w.service = svc
	w.handler = api.New(api.Config{Store: db, Service: svc, Documents: &documents{}, Host: "undercloud", Version: "1.0", Log: slog.New(slog.DiscardHandler)})
	srv := httptest.NewServer(w.handler)
	t.Cleanup(srv.Close)
	w.url = srv.URL + "/v1/project/stacks"
	return w
}

func (w *world) do(method, path, body string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// ids joins a key of all things in a list.
func (w *world) ids(path, list, key string) string {
	w.t.Helper()
	code, body := w.do("GET", path, "")
	var got map[string]json.RawMessage
	var things []map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
		w.t.Fatalf("%s: %d %s", path, code, body)
	}
	if err := json.Unmarshal(got[list], &things); err != nil {
		w.t.Fatalf("%s: %v in %s", path, err, body)
	}
	out := make([]string, len(things))
	for i, x := range things {
		out[i] = fmt.Sprint(x[key])
	}
	return strings.Join(out, " ")
}

func (w *world) finish(state string) {
	w.t.Helper()
	s, err := w.db.Stack(context.Background(), "overcloud")
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.db.UpdateStack(context.Background(), s.ID, func(s *stack.Stack) error {
		s.State, s.Outputs = state, map[string]any{"KeystoneURL": "http://1.2.3.4:5000/", "AdminPassword": "s3cret"}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

const create = `{"stack_name":"overcloud","timeout_mins":240,"input":{"tree":"emlw"}}`

func TestLifeOfAStack(t *testing.T) {
	w := newWorld(t)
	if code, body := w.do("POST", "", create); code != 201 || !strings.Contains(body, `"id":"`) {
		t.Fatalf("create: %d %s", code, body)
	}
	if code, body := w.do("POST", "", create); code != 409 || !strings.Contains(body, "Unable to deploy as the stack 'overcloud' status is 'CREATE_IN_PROGRESS'") || !strings.Contains(body, "stack cancel overcloud") {
		t.Errorf("a deploy while another runs: %d %s", code, body)
	}
	if code, _ := w.do("PUT", "/overcloud", create); code != 409 {
		t.Errorf("an update while another runs: %d", code)
	}
	if code, _ := w.do("POST", "/overcloud/actions", `{"cancel_update":null}`); code != 204 || len(w.stopped) != 1 || w.stopped[0] != w.enqueued[0] {
		t.Errorf("cancel: %d, stopped %v of %v", code, w.stopped, w.enqueued)
	}
	w.finish(stack.Complete)
	if code, _ := w.do("POST", "/overcloud/actions", `{"cancel_update":null}`); code != 409 {
		t.Errorf("cancel of nothing: %d", code)
	}
	if code, _ := w.do("PUT", "/overcloud", create); code != 202 {
		t.Errorf("update: %d", code)
	}
	if len(w.enqueued) != 2 || w.enqueued[0] == w.enqueued[1] {
		t.Errorf("each action is a job of its own: %v", w.enqueued)
	}
	w.finish(stack.Complete)
	if code, body := w.do("GET", "/overcloud", ""); code != 200 || strings.Contains(body, "s3cret") || !strings.Contains(body, `"stack_status":"UPDATE_COMPLETE"`) {
		t.Errorf("show: %d %s", code, body)
	}
	if _, body := w.do("GET", "", ""); strings.Contains(body, "s3cret") {
		t.Errorf("the list shows a password: %s", body)
	}
	if _, body := w.do("GET", "/overcloud/outputs", ""); strings.Contains(body, "s3cret") {
		t.Errorf("the outputs' list shows a password: %s", body)
	}
	if code, body := w.do("GET", "/overcloud/outputs/AdminPassword", ""); code != 200 || !strings.Contains(body, "s3cret") {
		t.Errorf("the output by name: %d %s", code, body)
	}
	if code, _ := w.do("DELETE", "/overcloud", ""); code != 204 || len(w.enqueued) != 3 {
		t.Errorf("delete: %d, jobs %v", code, w.enqueued)
	}
}

func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.do("POST", "", create)
	s, err := w.db.Stack(context.Background(), "overcloud")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range []string{"", "Controller", "Controller.0"} {
		e := &stack.Event{StackID: s.ID, Resource: r, Status: "CREATE_COMPLETE", Reason: "state changed", Time: time.Unix(int64(i), 0)}
		if err := w.db.Record(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	var got struct{ Events []map[string]any }
	_, body := w.do("GET", "/overcloud/"+s.ID+"/events?marker=1&nested_depth=2", "")
	if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Events) != 4 || got.Events[1]["resource_name"] != "Controller" ||
		got.Events[1]["event_time"] != "1970-01-01T00:00:01Z" || got.Events[3]["resource_name"] != "0" || got.Events[3]["trefoil_path"] != "Controller.0" {
		t.Errorf("%v %s", err, body)
	}
	// An s marks what a nested stack says of itself: it ends before its resource does.
	for q, want := range map[string]string{
		"":                                         "1 2",
		"?nested_depth=1":                          "1 2s 2 3",
		"?nested_depth=2":                          "1 2s 2 3s 3",
		"?nested_depth=2&marker=2s":                "2 3s 3",
		"?nested_depth=2&marker=2":                 "3s 3",
		"?nested_depth=1&limit=2":                  "1 2s",
		"?nested_depth=1&sort_dir=desc":            "3 2 2s 1",
		"?nested_depth=1&sort_dir=desc&marker=3":   "2 2s 1",
		"?nested_depth=1&sort_dir=desc&limit=1":    "3",
		"?nested_depth=1&resource_name=0":          "3",
		"?nested_depth=1&resource_status=COMPLETE": "1 2s 2 3",
		"?nested_depth=1&resource_status=FAILED":   "",
		"?nested_depth=1&sort_keys=resource_name":  "3 2 1 2s",
		"?marker=99":                               "",
	} {
		if ids := w.ids("/overcloud/events"+q, "events", "id"); ids != want {
			t.Errorf("%s: events %q, want %q", q, ids, want)
		}
	}
	if code, body := w.do("GET", "/overcloud/events?marker=x", ""); code != 400 || !strings.Contains(body, "marker") {
		t.Errorf("a marker that is no number: %d %s", code, body)
	}
	if code, body := w.do("GET", "/overcloud/resources/Controller/events/2", ""); code != 200 || !strings.Contains(body, `"resource_type":""`) {
		t.Errorf("one event: %d %s", code, body)
	}
	if code, _ := w.do("GET", "/overcloud/resources/Controller/events/3", ""); code != 404 {
		t.Errorf("an event of another resource: %d", code)
	}
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, method, path, body string
		code                     int
		want                     string
	}{
		{"unknown stack", "GET", "/nope", "", 404, "the stack (nope) could not be found"},
		{"broken JSON", "POST", "", "{", 400, "not valid JSON"},
		{"a template of one's own", "POST", "", `{"stack_name":"x","template":{}}`, 400, "openstack overcloud deploy"},
		{"bad name", "POST", "", `{"stack_name":"../x","input":{}}`, 400, "is not valid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, body := w.do(c.method, c.path, c.body); code != c.code || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", code, body)
			}
		})
	}
	w.checked = errs.New(errs.Invalid, "templates/x.yaml:3: unknown function get_parm").WithHint("did you mean get_param?")
	if code, body := w.do("POST", "", create); code != 400 || !strings.Contains(body, "x.yaml:3") || !strings.Contains(body, "did you mean") {
		t.Errorf("a plan with a mistake: %d %s", code, body)
	}
	w.checked = errors.New("pq: password=hunter2")
	if code, body := w.do("POST", "", create); code != 500 || strings.Contains(body, "hunter2") {
		t.Errorf("an internal error leaks: %d %s", code, body)
	}
	if all, _ := w.db.Stacks(context.Background()); len(all) != 0 {
		t.Errorf("a refused create left %d stacks", len(all))
	}
}

// Clients follow links and redirects with their tokens: none leads out of TLS.
func TestNothingLeadsOutOfTLS(t *testing.T) {
	w := newWorld(t)
	w.do("POST", "", create)
	for _, path := range []string{"/", "/v1/project/stacks/overcloud", "/v1/project/stacks"} {
		r := httptest.NewRecorder()
		w.handler.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "https://192.0.2.2:13004"+path, nil))
		if all := r.Header().Get("Location") + r.Body.String(); strings.Contains(all, "http://") || !strings.Contains(all, "https://192.0.2.2:13004/v1/") {
			t.Errorf("%s: %d %s", path, r.Code, all)
		}
	}
}
