package plan_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"trefoil/overcloud/plan"
)

// home is an operator's directory with a service of his own.
func home(t *testing.T) (map[string]string, plan.File) {
	t.Helper()
	files := map[string]string{
		"/home/stack/t/motd.yaml":   strings.Replace(service, "outputs:", "resources:\n  Inner: {type: inner.yaml}\noutputs:", 1) + "      service_name: motd\n      packages: [figlet]\n      step_config:\n        step_5: [{file: {path: /etc/motd, content: {list_join: ['', [{get_file: files/motd}, {get_attr: [Inner, line]}]]}}}]\n",
		"/home/stack/t/inner.yaml":  "heat_template_version: queens\noutputs: {line: {value: \"bye\\n\"}}\n",
		"/home/stack/t/files/motd":  "hello\n",
		"/home/stack/t/unused.yaml": "never read",
	}
	return files, plan.File{Name: "/home/stack/my.yaml", Data: []byte("resource_registry:\n  OS::TripleO::Services::Tuned: t/motd.yaml\nparameter_defaults:\n  CephStorageServices: ['OS::TripleO::Services::Tuned']\n")}
}

func TestServiceOfTheOperatorsOwn(t *testing.T) {
	files, env := home(t)
	var asked []string
	collected, err := plan.Collect(func(name string) ([]byte, error) {
		asked = append(asked, name)
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, fs.ErrNotExist
	}, []plan.File{env})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(asked)
	if want := []string{"/home/stack/t/files/motd", "/home/stack/t/inner.yaml", "/home/stack/t/motd.yaml"}; !slices.Equal(asked, want) {
		t.Fatalf("read %q, want %q", asked, want)
	}
	o := article(t)
	o.Environments, o.Files = []plan.File{env}, collected
	cfg, err := build(t, o).Configure(machines)
	if err != nil {
		t.Fatal(err)
	}
	last := cfg["overcloud-cephstorage-0"][4].Resources
	if len(last) != 1 || last[0].File == nil || last[0].File.Content != "hello\nbye\n" {
		t.Fatalf("step 5 of the storage node is %+v", last)
	}
}

func TestMissingFileOfTheOperatorIsNamed(t *testing.T) {
	_, env := home(t)
	_, err := plan.Collect(func(string) ([]byte, error) { return nil, fs.ErrNotExist }, []plan.File{env})
	if want := "/home/stack/my.yaml:2: file /home/stack/t/motd.yaml not found"; err == nil || err.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

// Everything that is missing is told at once, each with the line that names it.
func TestMissingFilesOfATemplateAreNamed(t *testing.T) {
	files, env := home(t)
	delete(files, "/home/stack/t/inner.yaml")
	delete(files, "/home/stack/t/files/motd")
	_, err := plan.Collect(func(name string) ([]byte, error) {
		if s, ok := files[name]; ok {
			return []byte(s), nil
		}
		return nil, fs.ErrNotExist
	}, []plan.File{env})
	want := "/home/stack/t/motd.yaml:10: file /home/stack/t/inner.yaml not found\n/home/stack/t/motd.yaml:17: file /home/stack/t/files/motd not found"
	if err == nil || err.Error() != want {
		t.Fatalf("got %v\nwant %s", err, want)
	}
}
