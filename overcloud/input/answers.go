package input

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
	"trefoil/internal/yaml"
)

// answers reads the answers file, if there is one, chooses tree, roles and
// networks — flags win over answers — and returns its environments.
func (g *gatherer) answers() ([]named, error) {
	g.dir, g.roles, g.networks = g.home(g.a.Templates), named{text: g.a.Roles}, named{text: g.a.Networks}
	if g.a.Answers == "" {
		return nil, nil
	}
	name := g.home(g.a.Answers)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.New(errs.Invalid, "Error: The following files were not found: %s", g.a.Answers).WithHint("--answers-file is relative to the current directory")
	}
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "--answers-file")
	}
	a, err := parseAnswers(name, data)
	if err != nil {
		return nil, err
	}
	if g.dir == "" {
		if a.templates.text == "" {
			return nil, errs.New(errs.Invalid, "%s: no templates:, and --templates is not given", name)
		}
		g.dir = g.beside(a.templates)
	}
	if g.roles.text == "" {
		g.roles = a.roles
	}
	if g.networks.text == "" {
		g.networks = a.networks
	}
	return a.environments, nil
}

// beside is a directory that the answers file names: relative to the current
// directory, as TripleO takes it, or if it is not there, to the answers file.
func (g *gatherer) beside(n named) string {
	dir := g.home(n.text)
	if _, err := os.Stat(dir); err != nil && !filepath.IsAbs(dir) {
		if there := filepath.Join(n.beside, dir); isDir(there) {
			return there
		}
	}
	return dir
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

type answers struct {
	templates, roles, networks named
	environments               []named
}

// answerKeys are those of Queens and, of Wallaby, roles and networks.
var answerKeys = []string{"templates", "environments", "roles", "networks"}

// parseAnswers reads the file; all that is wrong is told at once.
func parseAnswers(file string, data []byte) (*answers, error) {
	root, err := yaml.Parse(file, data)
	if err != nil {
		return nil, err
	}
	if root == nil || root.Kind != yaml.MappingNode {
		return nil, errs.New(errs.Invalid, "%s:1: an answers file is a map with templates: DIRECTORY and environments: a list of files", file)
	}
	a := &answers{}
	var wrong []string
	fail := func(n *yaml.Node, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s:%d: %s", file, n.Line, fmt.Sprintf(format, args...)))
	}
	text := func(key string, n *yaml.Node) named {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
			fail(n, "%s must be a path", key)
		}
		return named{text: n.Value, origin: fmt.Sprintf("%s:%d", file, n.Line), beside: filepath.Dir(file)}
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		switch k.Value {
		case "templates":
			a.templates = text(k.Value, v)
		case "roles":
			a.roles = text(k.Value, v)
		case "networks":
			a.networks = text(k.Value, v)
		case "environments":
			if v.Kind != yaml.SequenceNode && v.Tag != "!!null" {
				fail(v, "environments must be a list of files")
				continue
			}
			for _, e := range v.Content {
				a.environments = append(a.environments, text("an environment", e))
			}
		default:
			fail(k, "unknown key %q%s", k.Value, nearest.Hint(k.Value, answerKeys))
		}
	}
	if len(wrong) > 0 {
		return nil, errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n")).WithHint("an answers file has the keys %s", strings.Join(answerKeys, ", "))
	}
	return a, nil
}
