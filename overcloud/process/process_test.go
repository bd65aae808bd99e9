package process_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"trefoil/internal/golden"
	"trefoil/overcloud/plan/realtree"
	"trefoil/overcloud/process"
	"trefoil/templates"
)

// TestRealTrees: the whole output tree is what the real tool writes with
// Debian's Python: the rendered files have the checksums of
// ../plan/testdata/NAME.sha256 (compared once with the real tool's output, set
// and bytes), all others but the templates are copied as they are.
func TestRealTrees(t *testing.T) {
	for name, networks := range map[string]string{"queens": "network_data.yaml", "wallaby": "network_data_default.yaml"} {
		t.Run(name, func(t *testing.T) {
			tree := realtree.Open(t, name)
			base, out := filepath.Join(t.TempDir(), "tree"), filepath.Join(t.TempDir(), "out")
			unpack(t, base, tree)
			want := map[string]string{}
			for n, f := range tree {
				if !strings.HasSuffix(n, ".j2.yaml") {
					want[n] = sum(f.Data)
				}
			}
			list, err := os.ReadFile("../plan/testdata/" + name + ".sha256")
			if err != nil {
				t.Fatal(err)
			}
			for l := range strings.Lines(string(list)) {
				hash, n, _ := strings.Cut(strings.TrimSpace(l), "  ")
				want[n] = hash
			}
			o := process.Options{Base: base, Roles: "roles_data.yaml", Networks: networks, Output: out}
			if err := process.Render(t.Context(), o, &bytes.Buffer{}); err != nil {
				t.Fatal(err)
			}
			same(t, sums(t, out), want)

			// In place: the same rendered files beside their templates, and gone again.
			before := sums(t, base)
			o.Output = ""
			if err := process.Render(t.Context(), o, &bytes.Buffer{}); err != nil {
				t.Fatal(err)
			}
			maps.Copy(want, before)
			same(t, sums(t, base), want)
			if err := process.Clean(t.Context(), o, &bytes.Buffer{}); err != nil {
				t.Fatal(err)
			}
			same(t, sums(t, base), before)
		})
	}
}

// small is a tree with every kind of template.
func small() fstest.MapFS {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	return fstest.MapFS{
		"roles_data.yaml":                       text("- name: Controller\n  tags: [primary, controller]\n- name: Compute\n  deprecated_nic_config_name: nova.yaml\n"),
		"network_data.yaml":                     text("- name: InternalApi\n  name_lower: internal_api\n- name: Old\n  enabled: false\n"),
		"j2_excludes.yaml":                      text("name: [puppet/compute-role.yaml]\n"),
		"overcloud.j2.yaml":                     text("{% for r in roles %}{{r.name}} {% endfor %}{% include 'common/part.j2' %}\n"),
		"common/part.j2":                        text("part"),
		"common/run.sh":                         {Data: []byte("#!/bin/sh\n"), Mode: 0o755},
		"puppet/role.role.j2.yaml":              text("{{role.name}}\n"),
		"network/network.network.j2.yaml":       text("{{network.name}}\n"),
		"network/ports/port_v6.network.j2.yaml": text("{{network.name}}\n"),
		"network/config/x/role.role.j2.yaml":    text("{{role}}\n"),
		"puppet/compute-role.yaml":              text("by hand\n"),
		".git/HEAD":                             text("ref\n"),
		".hidden.j2.yaml":                       text("{{ nope.nope }}\n"),
	}
}

// TestTranscript compares what is printed and written with testdata.
func TestTranscript(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	unpack(t, "tree", small())
	var b strings.Builder
	show := func(title string, run func(context.Context, process.Options, *bytes.Buffer) error, o process.Options, at string) {
		o.Base = "tree"
		var out bytes.Buffer
		err := run(t.Context(), o, &out)
		fmt.Fprintf(&b, "== %s\n%s", title, out.String())
		if err != nil {
			fmt.Fprintf(&b, "error: %v\n", err)
		}
		fmt.Fprintf(&b, "-- files of %s\n", at)
		files := sums(t, at)
		for _, n := range slices.Sorted(maps.Keys(files)) {
			st, _ := os.Stat(filepath.Join(at, n))
			fmt.Fprintf(&b, "%s %v\n", n, st.Mode()&0o111 != 0)
		}
		b.WriteByte('\n')
	}
	render := func(ctx context.Context, o process.Options, w *bytes.Buffer) error { return process.Render(ctx, o, w) }
	clean := func(ctx context.Context, o process.Options, w *bytes.Buffer) error { return process.Clean(ctx, o, w) }
	o := process.Options{Roles: "roles_data.yaml", Networks: "network_data.yaml"}
	show("render with -o out --dry-run", render, process.Options{Roles: o.Roles, Networks: o.Networks, Output: "out", DryRun: true}, "out")
	show("render with -o out", render, process.Options{Roles: o.Roles, Networks: o.Networks, Output: "out"}, "out")
	show("render in place", render, o, "tree")
	show("again with --safe", render, process.Options{Roles: o.Roles, Networks: o.Networks, Safe: true}, "tree")
	show("clean --dry-run", clean, process.Options{Roles: o.Roles, Networks: o.Networks, DryRun: true}, "tree")
	show("clean", clean, o, "tree")
	show("clean again", clean, o, "tree")
	golden.Check(t, filepath.Join(home, "transcript.txt"), b.String())
}

// TestRefusals: whatever stands in the way, nothing is changed.
func TestRefusals(t *testing.T) {
	cases := []struct {
		name   string
		change func(t *testing.T)
		o      process.Options
		want   string
	}{
		{"no tree", func(t *testing.T) { rename(t, "tree", "elsewhere") }, process.Options{}, "--base_path: stat tree: no such file"},
		{"a file for a tree", nil, process.Options{Base: "tree/roles_data.yaml"}, "not a directory"},
		{"no roles file", nil, process.Options{Roles: "nope.yaml"}, "--roles-data: open nope.yaml"},
		{"a broken roles file", func(t *testing.T) { put(t, "r.yaml", "- nam: x\n") }, process.Options{Roles: "r.yaml"}, `r.yaml:1: unknown key "nam" in a role`},
		{"a broken networks file", func(t *testing.T) { put(t, "n.yaml", "a: b\n") }, process.Options{Networks: "n.yaml"}, "n.yaml:1: expected a list of networks"},
		{"a mistake in a template", func(t *testing.T) { put(t, "tree/common/z.j2.yaml", "a\n{{ x.y.z }}\n") }, process.Options{Output: "out"}, "common/z.j2.yaml:2"},
		{"the output is a file", func(t *testing.T) { put(t, "out", "x") }, process.Options{Output: "out"}, "Output dir out is not a directory"},
		{"the output lies in the tree", nil, process.Options{Output: "tree/out"}, "lies in the tree"},
		{"the output lies in the tree by a link", func(t *testing.T) { link(t, "tree/common", "alias") }, process.Options{Output: "alias/out"}, "lies in the tree"},
		{"the output's parent is missing", nil, process.Options{Output: "a/b"}, "write to a: "},
		{"a directory in the way", func(t *testing.T) { put(t, "out/overcloud.yaml/x", "") }, process.Options{Output: "out"}, "out/overcloud.yaml: a directory is in the way of a file"},
		{"a file in the way", func(t *testing.T) { put(t, "out/puppet", "") }, process.Options{Output: "out"}, "out/puppet: a file is in the way of a directory"},
		{"safe", func(t *testing.T) { put(t, "tree/overcloud.yaml", "mine") }, process.Options{Safe: true}, "ERROR: path already exists for file: tree/overcloud.yaml"},
		{"the tree in the program, in place", nil, process.Options{Tree: templates.FS}, "cannot be written to"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			unpack(t, "tree", small())
			if c.change != nil {
				c.change(t)
			}
			o := c.o
			for _, d := range []struct {
				field *string
				value string
			}{{&o.Base, "tree"}, {&o.Roles, "roles_data.yaml"}, {&o.Networks, "network_data.yaml"}} {
				if *d.field == "" {
					*d.field = d.value
				}
			}
			before := sums(t, ".")
			var out bytes.Buffer
			err := process.Render(t.Context(), o, &out)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
			if out.Len() > 0 {
				t.Errorf("it says that it did something:\n%s", out.String())
			}
			same(t, sums(t, "."), before)
		})
	}
}

// TestOutputIsTheTree: then nothing is copied, only what templates make is written.
func TestOutputIsTheTree(t *testing.T) {
	t.Chdir(t.TempDir())
	unpack(t, "tree", small())
	link(t, "tree", "alias")
	stat := func() os.FileInfo {
		st, err := os.Stat("tree/common/run.sh")
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	before := stat()
	if err := process.Render(t.Context(), process.Options{Base: "tree", Roles: "roles_data.yaml", Networks: "network_data.yaml", Output: "alias"}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, stat()) || sums(t, "tree")["overcloud.yaml"] == "" {
		t.Error("files were copied onto themselves, or nothing was rendered")
	}
}

func unpack(t *testing.T, dir string, tree fstest.MapFS) {
	t.Helper()
	for name, f := range tree {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, f.Data, f.Mode|0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	unpack(t, ".", fstest.MapFS{name: {Data: []byte(text)}})
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

// sums are the checksums of all files below dir; none when it is not there.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if _, err := os.Stat(dir); err != nil {
		return out
	}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		out[name] = sum(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for n, s := range got {
		if want[n] != s {
			t.Errorf("%s: got %.8s, want %.8s", n, s, want[n])
		}
	}
	for n := range want {
		if got[n] == "" {
			t.Errorf("%s is missing", n)
		}
	}
}

// home is testdata, seen from wherever a test has changed to.
var home, _ = filepath.Abs("testdata")
