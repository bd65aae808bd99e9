package resource

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

func doc(rs ...Resource) *Document { return &Document{Step: 2, Resources: rs} }

func TestEachMistakeIsNamedWithItsField(t *testing.T) {
	for name, c := range map[string]struct {
		r    Resource
		want string
	}{
		"unknown type":          {Resource{Type: "cron"}, `type: "cron" is not known`},
		"nothing set":           {Resource{Type: "file"}, "file: missing, although it is the type"},
		"two set":               {Resource{Type: "link", Link: &Link{Path: "/a"}, File: &File{Path: "/a"}}, "file: set, but the type is link"},
		"relative path":         {Resource{Type: "file", File: &File{Path: "etc/hosts"}}, `file.path: "etc/hosts" is not a clean absolute path`},
		"path with dots":        {Resource{Type: "file", File: &File{Path: "/etc/../root/.ssh/x"}}, "file.path"},
		"decimal mode":          {Resource{Type: "file", File: &File{Path: "/a", Mode: "0688"}}, "file.mode"},
		"owner with a space":    {Resource{Type: "directory", Directory: &Directory{Path: "/a", Owner: "a b"}}, "directory.owner"},
		"unit that is a flag":   {Resource{Type: "unit", Unit: &Unit{Name: "--root=x"}}, "unit.name"},
		"unit state":            {Resource{Type: "unit", Unit: &Unit{Name: "a", State: "running"}}, "unit.state"},
		"restart_on of nothing": {Resource{Type: "unit", Unit: &Unit{Name: "a", RestartOn: []string{"file:/etc/a"}}}, "unit.restart_on[0]"},
		"database name":         {Resource{Type: "mysql_database", MySQLDatabase: &MySQLDatabase{Name: "a`b"}}, "mysql_database.name"},
		"user host":             {Resource{Type: "mysql_user", MySQLUser: &MySQLUser{Name: "a", Password: "p", Hosts: []string{"' OR"}}}, "mysql_user.hosts[0]"},
		"rounds of a hash":      {Resource{Type: "keystone_bootstrap", KeystoneBootstrap: &KeystoneBootstrap{Password: "p", Rounds: 3, Region: "r", URL: "http://a:5000/v3"}}, "keystone_bootstrap.rounds"},
		"region":                {Resource{Type: "keystone_bootstrap", KeystoneBootstrap: &KeystoneBootstrap{Password: "p", Rounds: 4, Region: "r'", URL: "http://a:5000/v3"}}, "keystone_bootstrap.region"},
		"endpoint":              {Resource{Type: "keystone_bootstrap", KeystoneBootstrap: &KeystoneBootstrap{Password: "p", Rounds: 4, Region: "r", URL: "a:5000"}}, "keystone_bootstrap.url"},
		"empty password":        {Resource{Type: "mysql_user", MySQLUser: &MySQLUser{Name: "a"}}, "mysql_user.password"},
		"long bridge":           {Resource{Type: "ovs_bridge", OVSBridge: &OVSBridge{Name: "br-of-seventeen-x"}}, "ovs_bridge.name"},
		"port option":           {Resource{Type: "ovs_port", OVSPort: &OVSPort{Bridge: "b", Name: "p", Options: map[string]string{"k": `a"b`}}}, "ovs_port.options.k"},
		"VLAN of two numbers":   {Resource{Type: "network_config", NetworkConfig: &NetworkConfig{Objects: []NetObject{{Type: "vlan", Name: "vlan20", VLANID: 30, Device: "eth0"}}}}, "network_config[0].name: vlan20 says another number than vlan_id, 30"},
		"exec without a guard":  {Resource{Type: "exec", Exec: &Exec{Name: "x", Command: []string{"y"}}}, "neither creates nor unless"},
		"two targets":           {Resource{Type: "wait", Wait: &Wait{Name: "x", TCP: "a:1", HTTP: "http://a"}}, "2 of tcp, http, unix, sql and ceph"},
		"bad address":           {Resource{Type: "wait", Wait: &Wait{Name: "x", TCP: "a"}}, "wait.tcp"},
		"bad URL":               {Resource{Type: "wait", Wait: &Wait{Name: "x", HTTP: "a"}}, "wait.http"},
		"sysctl":                {Resource{Type: "sysctl", Sysctl: &Sysctl{Key: "../x", Value: "1"}}, "sysctl.key"},
		"module":                {Resource{Type: "kernel_module", KernelModule: &KernelModule{Name: "a/b"}}, "kernel_module.name"},
		"package":               {Resource{Type: "packages", Packages: &Packages{Names: []string{"chrony", "Chrony"}}}, "packages.names[1]"},
		"probe without a row":   {Resource{Type: "probe", Probe: &Probe{Name: "a", SQL: "SELECT 1", PIDFile: "/run/a.pid", Program: "a", Missing: "no *"}}, "probe.pid_file"},
		"probe of a long name":  {Resource{Type: "probe", Probe: &Probe{Name: "a", SQL: "SELECT 1", PIDFile: "/run/*.pid", Program: "seventeen-letters", Missing: "no *"}}, "probe.program"},
		"disk":                  {Resource{Type: "disks", Disks: &Disks{Count: 1, Devices: []string{"vdb"}}}, "disks.devices[0]"},
	} {
		c.r.Service = "svc"
		err := Validate(doc(c.r))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "resources[0] (service svc)") {
			t.Errorf("%s: error %v; expected it to say %q", name, err, c.want)
		}
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: code %q", name, errs.CodeOf(err))
		}
	}
}

func TestMistakesComeTogether(t *testing.T) {
	err := Validate(&Document{Step: 9, Resources: []Resource{{Type: "x"}, {Type: "y"}}})
	if n := strings.Count(err.Error(), "\n") + 1; n != 3 {
		t.Errorf("%d lines: %v", n, err)
	}
}

func TestTwoServicesMayAgreeButNotContradict(t *testing.T) {
	a := Resource{Type: "file", Service: "a", File: &File{Path: "/x", Content: "1"}}
	b := a
	b.Service = "b"
	if err := Validate(doc(a, b)); err != nil {
		t.Error(err)
	}
	b.File = &File{Path: "/x", Content: "2"}
	if err := Validate(doc(a, b)); err == nil || !strings.Contains(err.Error(), `resources[0] (service "a") says something else`) {
		t.Errorf("error %v", err)
	}
}

func TestRestartOnMatchesExactlyOrByPrefix(t *testing.T) {
	for _, c := range []struct {
		pattern, key string
		want         bool
	}{
		{"file:/etc/a", "file:/etc/a", true}, {"file:/etc/a", "file:/etc/ab", false},
		{"file:/etc/*", "file:/etc/a/b", true}, {"file:/etc/*", "directory:/etc/a", false},
	} {
		if Matches(c.pattern, c.key) != c.want {
			t.Errorf("Matches(%q, %q) is not %v", c.pattern, c.key, c.want)
		}
	}
}

func TestUnknownFieldsAndSecondDocumentsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"step":1,"colour":"red"}`:                `unknown field "colour"`,
		`{"step":1}{"step":2}`:                     "more text after",
		"{\"step\":1,\n \"resources\": [}":         "line 2 column",
		`{"step":"one"}`:                           "step: expected int",
		`{"step":1,"resources":[{"type":"file"}]}`: "file: missing",
	} {
		if _, err := Decode(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v; expected %q", text, err, want)
		}
	}
}

func TestDocumentsComeOneALine(t *testing.T) {
	text := `{"step":1,"resources":[]}` + "\n" + `{"step":4,"resources":[]}` + "\n"
	docs, err := DecodeLines(strings.NewReader(text))
	if err != nil || len(docs) != 2 || docs[1].Step != 4 {
		t.Errorf("got %v, %v", docs, err)
	}
	if _, err := DecodeLines(strings.NewReader(text + "{\n")); err == nil || !strings.Contains(err.Error(), "document 3: ") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreNotQuotedInErrors(t *testing.T) {
	r := Resource{Type: "mysql_user", MySQLUser: &MySQLUser{Name: "a`", Password: "hunter2-hunter2"}}
	if err := Validate(doc(r)); strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := json.Marshal(doc(Resource{Type: "file", File: &File{Path: "/x"}}, Resource{Type: "unit", Unit: &Unit{Name: "a", RestartOn: []string{"file:*"}}}))
	f.Add(b)
	f.Add([]byte(`{"step":1,"resources":[{"type":"wait","wait":{"name":"x","tcp":"a:1"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Decode(bytes.NewReader(b))
		if err != nil {
			return
		}
		// What is accepted is accepted again after a round trip.
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(bytes.NewReader(again)); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

func FuzzDecodeLines(f *testing.F) {
	f.Add([]byte("{\"step\":1,\"resources\":[]}\n\n"))
	f.Add([]byte("{\"step\":2,\"resources\":[{\"type\":\"file\",\"file\":{\"path\":\"/x\"}}]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, err := DecodeLines(bytes.NewReader(text))
		for _, d := range docs {
			if err == nil && Validate(d) != nil {
				t.Errorf("an invalid document was taken: %+v", d)
			}
		}
	})
}
