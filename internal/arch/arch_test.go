package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "trefoil"

// domain packages do no I/O: they import the standard library, internal and one another.
var domain = []string{"ironic", "ironic/fsm", "ironic/steps", "ironic/policy", "ironic/sha512crypt", "ironic/agentapi", "overcloud/jinja", "overcloud/jinja/ansible", "overcloud/yaql", "overcloud/hot", "overcloud/plan", "overcloud/plan/diff",
	"ironic/configdrive", "ironic/inspect", "ironic/inspect/lldp", "ironic/inspect/rules", "overcloud/resource", "overcloud/inventory", "overcloud/placement", "overcloud/stack", "overcloud/stack/eval",
	"overcloud/network", "overcloud/firewall", "overcloud/role", "overcloud/baremetal", "overcloud/fencing", "overcloud/netenv", "overcloud/configdownload",
}

// domainMay are the modules that a domain package may use all the same: they do no I/O either.
var domainMay = []string{"github.com/hashicorp/go-multierror"}

// layers: who may import whom among our own top-level folders. "*" is everything.
var layers = map[string][]string{
	"internal":   {"internal"},
	"templates":  {},
	"roles":      {},
	"examples":   {},
	"vbmc":       {"vbmc", "internal"},
	"ironic":     {"ironic", "internal", "undercloud/jobs"}, // jobs is a contract: it imports nothing of ours
	"overcloud":  {"overcloud", "internal", "templates", "roles", "examples", "vbmc/libvirt"},
	"undercloud": {"undercloud", "ironic", "internal", "overcloud/stack"},
	"cmd":        {"*"},
}

// doors: a module, and the only folders that may open it.
var doors = map[string][]string{
	"github.com/digitalocean/go-libvirt":  {"vbmc/libvirt"},
	"github.com/bougou/go-ipmi":           {"ironic/driver/ipmi"},
	"github.com/dbos-inc":                 {"undercloud/jobs/durable"},
	"modernc.org/sqlite":                  {"undercloud/store", "undercloud/jobs/durable"},
	"database/sql":                        {"undercloud/store", "undercloud/jobs/durable"},
	"github.com/pressly/goose":            {"undercloud/store"},
	"gopkg.in/yaml.v3":                    {"internal/yaml"},
	"gopkg.in/ini.v1":                     {"undercloud/config", "undercloud/install"},
	"github.com/insomniacslk/dhcp":        {"undercloud/dhcp", "ironic/agent"},
	"github.com/pin/tftp":                 {"undercloud/tftp"},
	"github.com/urfave/cli":               {"cmd", "internal/cliargs"},
	"github.com/prometheus/client_golang": {"undercloud", "cmd"},
	"github.com/gophercloud/gophercloud":  {"overcloud", "undercloud/install", "undercloud/image/upload", "undercloud/keystone", "cmd"},
	"github.com/lima-vm/go-qcow2reader":   {"undercloud/imagecache"},
	"golang.org/x/crypto/ssh":             {"overcloud/ssh", "undercloud/install", "undercloud/compute", "cmd"},
	"trefoil/vbmc/libvirt":                {"vbmc", "overcloud/lab"},
	"github.com/vishvananda/netlink":      {"undercloud/install", "ironic/agent", "overcloud/lab"},

	// Only tests need it.
	"github.com/santhosh-tekuri/jsonschema": {"ironic/api/openapi/openapitest"},
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func anyUnder(pkg string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return d == "*" || under(pkg, d) })
}

// forTests are packages that help tests, called as net/http/httptest is.
func forTests(pkg string) bool { return strings.HasSuffix(pkg, "test") }

// broken says which rule an import breaks, or "".
func broken(pkg, imp string) string {
	own, ours := strings.CutPrefix(imp, module+"/")
	switch {
	case ours && under(own, "cmd"):
		return "nothing imports cmd"
	case ours && forTests(own) && !forTests(pkg):
		return "only tests import what is for tests"
	case forTests(pkg):
		return "" // it puts together what only programs do otherwise
	case ours && !anyUnder(own, layers[strings.SplitN(pkg, "/", 2)[0]]):
		return "this arrow points outward"
	case slices.Contains(domain, pkg) && ours && !under(own, "internal") && !slices.Contains(domain, own):
		return "a domain package imports only internal and domain packages"
	case slices.Contains(domain, pkg) && !ours && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") && !anyUnder(imp, domainMay):
		return "a domain package imports no third-party module"
	case slices.Contains(domain, pkg) && slices.Contains([]string{"net/http", "database/sql", "os", "os/exec"}, imp):
		return "a domain package does no I/O"
	}
	for mod, rooms := range doors {
		if under(imp, mod) && !anyUnder(pkg, rooms) {
			return mod + " is opened only in " + strings.Join(rooms, ", ")
		}
	}
	return ""
}

func TestArrowsPointInward(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" || d.Name() == "bin" || d.Name() == "build") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			imp, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if why := broken(rel, imp); why != "" {
				t.Errorf("%s imports %s: %s", filepath.Join(rel, filepath.Base(path)), imp, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Fatalf("only %d files were walked below %s", files, root)
	}
}

func TestRuleCatchesBadArrows(t *testing.T) {
	for _, c := range []struct{ pkg, imp string }{
		{"ironic", "trefoil/cmd/openstack"},
		{"ironic/fsm", "net/http"},
		{"overcloud/hot", "github.com/google/uuid"},
		{"overcloud/deploy", "trefoil/ironic/conductor"},
		{"vbmc/ipmi", "trefoil/ironic"},
		{"undercloud/image", "gopkg.in/yaml.v3"},
		{"ironic/conductor", "database/sql"},
		{"overcloud/lab", "github.com/digitalocean/go-libvirt"},
		{"undercloud/server", "trefoil/undercloud/undercloudtest"},
	} {
		if broken(c.pkg, c.imp) == "" {
			t.Errorf("%s may import %s", c.pkg, c.imp)
		}
	}
	for _, c := range []struct{ pkg, imp string }{
		{"overcloud/plan", "trefoil/overcloud/hot"},
		{"overcloud/image/imagetest", "trefoil/ironic/configdrive"},
	} {
		if why := broken(c.pkg, c.imp); why != "" {
			t.Errorf("%s may not import %s: %s", c.pkg, c.imp, why)
		}
	}
}

// Every folder that the table names exists: a rule for a room that was renamed guards nothing.
func TestRoomsExist(t *testing.T) {
	for _, d := range domain {
		if _, err := os.Stat(filepath.Join("../..", d)); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
	for mod, rooms := range doors {
		for _, r := range rooms {
			if _, err := os.Stat(filepath.Join("../..", r)); err != nil {
				t.Errorf("door of %s: %v", mod, err)
			}
		}
	}
}
