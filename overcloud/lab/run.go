package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Runner runs a program of the host to its end and returns what it printed.
// Nothing secret may be among the arguments: every user can read them.
type Runner interface {
	Run(ctx context.Context, env []string, name string, args ...string) (string, error)
}

// system runs real programs.
type system struct{}

// Run implements Runner. env is added to this process's environment, with the C
// locale. The error carries what the program said.
func (system) Run(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(cmd.Environ(), append([]string{"LC_ALL=C"}, env...)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		said := strings.TrimSpace(problem.String())
		if said == "" {
			said = strings.TrimSpace(out.String())
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && said != "" {
			return out.String(), fmt.Errorf("%s: %s", name, said)
		}
		return out.String(), fmt.Errorf("%s: %w", name, err)
	}
	return out.String(), nil
}

// startDaemon starts a program in a session of its own, with its output appended
// to a file, and leaves it running.
func startDaemon(env []string, output string, args ...string) (Process, error) {
	out, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return Process{}, fmt.Errorf("open the daemon's output: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(cmd.Environ(), env...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Process{}, err
	}
	// Where this program lives on, its child must not stay a zombie.
	go func() { _ = cmd.Wait() }()
	p, ok := processOf(cmd.Process.Pid)
	if !ok {
		return Process{}, fmt.Errorf("%s ended at once (see %s)", args[0], output)
	}
	return p, nil
}
