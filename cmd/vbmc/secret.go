package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/internal/errs"
)

// secret takes --NAME, or the first line of --NAME-file, which no process list shows.
// A file without one is refused: a BMC that everybody may enter is no slip to pass over.
func secret(c *cli.Context, name string) (string, error) {
	if !c.IsSet(name + "-file") {
		return c.String(name), nil
	}
	if c.IsSet(name) {
		return "", usageError{fmt.Errorf("--%s and --%s-file exclude each other", name, name)}
	}
	what := map[string]string{"kg": "BMC key"}[name]
	if what == "" {
		what = name
	}
	f := c.String(name + "-file")
	refuse := func(why string) error {
		return errs.New(errs.Invalid, "--%s-file '%s': %s", name, f, why).
			WithHint("write the %[1]s as text into its first line; none at all is --%[2]s ''", what, name)
	}
	if f == "" {
		return "", refuse("expected the name of a file")
	}
	data, err := os.ReadFile(f)
	if err != nil {
		return "", fmt.Errorf("--%s-file: %w", name, err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimSuffix(line, "\r")
	switch {
	case len(data) == 0:
		return "", refuse("the file is empty")
	case line == "":
		return "", refuse("its first line is empty")
	case strings.ContainsRune(line, 0):
		return "", refuse("its first line has a NUL byte, which ends a " + what)
	}
	return line, nil
}
