package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trefoil/overcloud/resource"
)

// fake is a node in memory: units, databases and bridges, and a log of what was run.
type fake struct {
	units     map[string]string // full name → active, inactive, failed, not-found
	broken    map[string]bool   // cannot be started
	sql       []string
	look      string  // answer to the look at the database
	sqlErrors []error // of the next statements of Keystone's first rows
	changes   string  // of Keystone's first rows, as the server counts them
	bridges   map[string][]string
	options   map[string]string
	answers   int // probes that fail before one succeeds
	disks     []Disk
	ran       []string
	limits    []time.Duration // how long each of those may take
	envs      []map[string]string
	users     []string
	codes     map[string]int // program → exit code
	output    string
	journal   string
	onRun     func(args []string)
	stdout    map[string]func() string // program → what it prints
	probe     func(resource.Wait) error
	onProbe   func(context.Context) error // instead of answers
	after     map[string]string           // unit → its state and restarts once it was started
	mu        sync.Mutex
}

func (f *fake) Owner(user, group string) (int, int, error) {
	if user == "nobody-here" {
		return 0, 0, errors.New("unknown user nobody-here")
	}
	return -1, -1, nil
}

func (f *fake) Disks(_ context.Context, named []string) ([]Disk, error) {
	out := slices.Clone(f.disks)
	for i, d := range out {
		if d.Remote && !slices.Contains(named, d.Path) {
			out[i].Use = notLooked
		}
	}
	return out, nil
}

func (f *fake) WholeDisks() ([]Disk, error) {
	out := slices.Clone(f.disks)
	for i := range out {
		out[i].Use = ""
	}
	return out, nil
}

func (f *fake) Probe(ctx context.Context, w resource.Wait) error {
	if f.probe != nil {
		return f.probe(w)
	}
	if f.onProbe != nil {
		return f.onProbe(ctx)
	}
	if f.answers--; f.answers >= 0 {
		return errors.New("connection refused")
	}
	return nil
}

func (f *fake) Run(ctx context.Context, c Command) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ran = append(f.ran, strings.Join(c.Args, " "))
	f.envs, f.limits = append(f.envs, c.Env), append(f.limits, c.Timeout)
	f.users = append(f.users, c.User)
	if f.onRun != nil {
		f.onRun(c.Args)
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	switch c.Args[0] {
	case "systemctl":
		return f.systemctl(c.Args[1:])
	case "mysql":
		f.sql = append(f.sql, c.Stdin)
		if strings.HasPrefix(c.Stdin, "SELECT") {
			return f.look, nil
		}
		if strings.Contains(c.Stdin, "@changes") && len(f.sqlErrors) > 0 {
			err := f.sqlErrors[0]
			f.sqlErrors = f.sqlErrors[1:]
			return "", err
		}
		if strings.Contains(c.Stdin, "@changes") {
			return f.changes, nil
		}
		return "", nil
	case "ovs-vsctl":
		return f.vsctl(c.Args[2:])
	case "journalctl":
		return cmp.Or(f.journal, "line one\nconnection = mysql://keystone:s3cret-password@db/keystone\n"), nil
	}
	if print := f.stdout[c.Args[0]]; print != nil {
		return print(), nil
	}
	if code := f.codes[c.Args[0]]; code != 0 {
		return "", &RunError{c.Args[0], code, f.output}
	}
	return "", nil
}

func (f *fake) systemctl(args []string) (string, error) {
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--no-block" || a == "--" })
	if args[0] == "show" {
		var out []string
		for _, u := range args[2:] {
			load := "loaded"
			if f.units[u] == "not-found" || f.units[u] == "" {
				load = "not-found"
			}
			if strings.HasPrefix(args[1], "--property=ActiveState,NRestarts") {
				state, restarts, _ := strings.Cut(f.units[u], " ")
				restarts, job, _ := strings.Cut(restarts, " ")
				out = append(out, "ActiveState="+state+"\nNRestarts="+restarts+"\nJob="+job)
				continue
			}
			out = append(out, fmt.Sprintf("Id=%s\nLoadState=%s\nActiveState=%s\nFragmentPath=/lib/systemd/system/%s\n", u, load, f.units[u], u))
		}
		return strings.Join(out, "\n"), nil
	}
	for _, u := range args[1:] {
		switch {
		case args[0] == "stop":
			f.units[u] = "inactive"
		case f.broken[u]:
			f.units[u] = "failed"
			return "", &RunError{"systemctl", 1, "Job failed"}
		default:
			f.units[u] = cmp.Or(f.after[u], "active")
		}
	}
	return "", nil
}

func (f *fake) vsctl(args []string) (string, error) {
	switch args[0] {
	case "list-br":
		var out []string
		for b := range f.bridges {
			out = append(out, b)
		}
		return strings.Join(out, "\n"), nil
	case "list-ports":
		return strings.Join(f.bridges[args[1]], "\n"), nil
	case "get":
		return "vxlan\n" + f.options[args[2]] + "\n", nil
	}
	for _, cmd := range strings.Split(strings.Join(args, " "), " -- ") {
		w := slices.DeleteFunc(strings.Fields(cmd), func(a string) bool { return a == "--may-exist" || a == "--if-exists" })
		switch w[0] {
		case "add-br":
			f.bridges[w[1]] = append(f.bridges[w[1]], "")
		case "del-br":
			delete(f.bridges, w[1])
		case "add-port", "add-bond":
			for b, ports := range f.bridges { // as ovs-vsctl's add_port does, --may-exist or not
				if b != w[1] && slices.Contains(ports, w[2]) {
					return "", &RunError{"ovs-vsctl", 1, w[2] + " is actually attached to bridge " + b}
				}
			}
			if !slices.Contains(f.bridges[w[1]], w[2]) { // one that is there keeps what it was made with
				f.bridges[w[1]] = append(f.bridges[w[1]], w[2])
				f.options[w[2]] = strings.Join(w[3:], " ")
			}
		case "del-port":
			for b, ports := range f.bridges { // BRIDGE PORT, or PORT
				f.bridges[b] = slices.DeleteFunc(ports, func(p string) bool { return p == w[len(w)-1] })
			}
		case "set":
			f.options[w[2]] = "{" + strings.ReplaceAll(strings.Join(w[4:], ", "), "options:", "") + "}"
		}
	}
	return "", nil
}

// node is an engine over a fake system and a directory.
type node struct {
	*Engine
	t      *testing.T
	sys    *fake
	events []resource.Event
	now    time.Time
}

func newNode(t *testing.T) *node {
	n := &node{t: t, now: time.Unix(1e9, 0), sys: &fake{units: map[string]string{}, broken: map[string]bool{}, bridges: map[string][]string{}, options: map[string]string{}, codes: map[string]int{}}}
	n.Engine = &Engine{Root: t.TempDir(), System: n.sys, Poll: time.Microsecond,
		Now:  func() time.Time { n.now = n.now.Add(time.Second); return n.now },
		Emit: func(e resource.Event) { n.events = append(n.events, e) }}
	return n
}

// apply runs a step and returns its events as "changed file:/x" lines.
func (n *node) apply(rs ...resource.Resource) (string, error) {
	n.t.Helper()
	n.events, n.sys.ran, n.sys.sql, n.sys.users = nil, nil, nil, nil
	doc := &resource.Document{Step: 3, Resources: rs}
	if err := resource.Validate(doc); err != nil {
		n.t.Fatal(err)
	}
	_, err := n.Apply(n.t.Context(), doc)
	var lines []string
	for _, e := range n.events {
		if e.Event != "start" && e.Event != "waiting" {
			lines = append(lines, strings.TrimSpace(e.Event+" "+e.Key))
		}
	}
	return strings.Join(lines, "\n"), err
}

func (n *node) must(want string, rs ...resource.Resource) {
	n.t.Helper()
	got, err := n.apply(rs...)
	if err != nil || got != want {
		n.t.Errorf("error %v; events:\n%s\nexpected:\n%s", err, got, want)
	}
}

func (n *node) read(p string) string {
	n.t.Helper()
	b, err := os.ReadFile(filepath.Join(n.Root, p))
	if err != nil {
		n.t.Error(err)
	}
	return string(b)
}

func (n *node) remove(p string) {
	n.t.Helper()
	if err := os.RemoveAll(filepath.Join(n.Root, p)); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) put(p, content string) {
	n.t.Helper()
	full := filepath.Join(n.Root, p)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

func fileRes(path, content string) resource.Resource {
	return resource.Resource{Type: "file", File: &resource.File{Path: path, Content: content}}
}

func unitRes(name string, restartOn ...string) resource.Resource {
	return resource.Resource{Type: "unit", Unit: &resource.Unit{Name: name, RestartOn: restartOn}}
}
