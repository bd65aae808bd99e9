package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"trefoil/internal/errs"
)

// Elevation runs a command line again as root. The zero value uses this process.
type Elevation struct {
	EUID           func() int
	LookPath       func(string) (string, error)
	Keep           []string // environment variables that root's process gets as well; none may be a secret
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// AsRoot does nothing and returns again = false for root. For anybody else it
// runs program with args through `sudo -n` (the article's user stack may do
// that without a password), with the caller's HOME, so that files go where they
// belong, and returns its exit code. Without such a sudo the error says what to do.
func AsRoot(ctx context.Context, e Elevation, program string, args []string) (exit int, again bool, err error) {
	e = e.withDefaults()
	if e.EUID() == 0 {
		return 0, false, nil
	}
	refuse := errs.New(errs.Forbidden, "this command needs root: it makes a bridge, firewall rules and files in /etc").
		WithHint("run it as root with HOME=%s, or let your user do it: echo \"$USER ALL=(root) NOPASSWD:ALL\" > /etc/sudoers.d/$USER", os.Getenv("HOME"))
	sudo, err := e.LookPath("sudo")
	if err != nil {
		return 0, false, refuse
	}
	if exec.CommandContext(ctx, sudo, "-n", "true").Run() != nil {
		return 0, false, refuse
	}
	line := []string{"-n", "--", "env", "PATH=" + rootPath(os.Getenv("PATH"))}
	for _, k := range append([]string{"HOME"}, e.Keep...) {
		if v, ok := os.LookupEnv(k); ok {
			line = append(line, k+"="+v)
		}
	}
	cmd := exec.CommandContext(ctx, sudo, append(append(line, program), args...)...) //nolint:gosec // the operator's own command line
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Stdin, e.Stdout, e.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // sudo passes it on
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return max(ended.ExitCode(), 1), true, nil
	}
	if err != nil {
		return 0, true, fmt.Errorf("run %s through sudo: %w", program, err)
	}
	return 0, true, nil
}

// rootPath is a user's PATH with the folders behind it where Debian has programs of root's, nft
// among them, which only root's own PATH names.
func rootPath(path string) string {
	have := filepath.SplitList(path)
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if !slices.Contains(have, dir) {
			have = append(have, dir)
		}
	}
	return strings.Join(have, string(filepath.ListSeparator))
}

func (e Elevation) withDefaults() Elevation {
	if e.EUID == nil {
		e.EUID = os.Geteuid
	}
	if e.LookPath == nil {
		e.LookPath = exec.LookPath
	}
	if e.Stdin == nil {
		e.Stdin = os.Stdin
	}
	if e.Stdout == nil {
		e.Stdout = os.Stdout
	}
	if e.Stderr == nil {
		e.Stderr = os.Stderr
	}
	return e
}
