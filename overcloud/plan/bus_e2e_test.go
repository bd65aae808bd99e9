//go:build e2e

package plan_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const rabbitMember = "/usr/local/sbin/rabbitmq-member"

// member runs what the steps run beside RabbitMQ.
func (e *ensemble) member(t *testing.T, c *controller, what string) {
	t.Helper()
	if out, err := c.run("root", c.dir+rabbitMember, what); err != nil {
		t.Fatalf("%s: rabbitmq-member %s: %v\n%s\n%s", c.node.Name, what, err, out, e.logs("rabbitmq")())
	}
}

// startBus is the unit rabbitmq-server, after what the steps do before it where there is no data.
func (e *ensemble) startBus(t *testing.T, c *controller) {
	t.Helper()
	if _, err := os.Stat(c.dir + "/var/lib/rabbitmq/mnesia/rabbit@" + c.node.Name); err != nil {
		e.member(t, c, "fresh")
	}
	c.start("rabbitmq", "rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server")
}

func (e *ensemble) bus(t *testing.T) {
	e.startBus(t, e.all[0]) // as the steps have it: the first is waited for
	e.member(t, e.all[0], "back")
	for _, c := range e.all[1:] {
		e.startBus(t, c)
	}
	for _, c := range e.all {
		e.answers(t, c)
	}
	e.together(t, "three servers are one message bus")
	e.all[0].kill("rabbitmq", syscall.SIGKILL)
	e.answers(t, e.all[1]) // no minority
	e.startBus(t, e.all[0])
	e.member(t, e.all[0], "back")
	e.together(t, "the killed first server is back")
	e.member(t, e.all[0], "none")
}

func (e *ensemble) busKilled(t *testing.T) {
	e.side(func(c *controller) { c.kill("rabbitmq", syscall.SIGKILL) })
	e.side(func(c *controller) { e.startBus(t, c) })
	for _, c := range e.all {
		e.answers(t, c)
	}
	e.together(t, "all killed: the message bus is back")
}

// busStopped: the one that was stopped last has to be there, and is started last.
func (e *ensemble) busStopped(t *testing.T) {
	for _, c := range e.all {
		c.kill("rabbitmq", syscall.SIGTERM)
	}
	for _, c := range e.all {
		e.startBus(t, c)
		if c == e.all[0] {
			e.member(t, c, "back") // nobody else is there: it must not be waited for
		}
	}
	for _, c := range e.all {
		e.answers(t, c)
	}
	e.together(t, "all stopped in order, and started in the same: the message bus is back")
}

// busReplaced: a machine of the same name without data, and one that is not there any more.
func (e *ensemble) busReplaced(t *testing.T) {
	c := e.all[2]
	wipe := func() {
		c.kill("rabbitmq", syscall.SIGKILL)
		if err := os.RemoveAll(filepath.Join(c.dir, "var/lib/rabbitmq/mnesia")); err != nil {
			t.Fatal(err)
		}
	}
	again := func(what string) {
		e.startBus(t, c)
		e.answers(t, c)
		e.together(t, what)
	}
	wipe()
	again("a machine of the same name, new, is a member")
	wipe()
	first := e.all[0]
	script, err := os.ReadFile(first.dir + rabbitMember)
	if err != nil {
		t.Fatal(err)
	}
	without := strings.ReplaceAll(string(script), " rabbit@"+c.node.Name+" ", " ")
	if err := os.WriteFile(first.dir+rabbitMember, []byte(without), 0o755); err != nil {
		t.Fatal(err)
	}
	within(t, *patience, "the dead member is noticed", func() error {
		if _, err := first.run("root", first.dir+rabbitMember, "none"); err == nil {
			return errors.New("nobody is missing")
		}
		return nil
	}, e.logs("rabbitmq"))
	e.member(t, first, "gone")
	e.member(t, first, "none")
	again("a machine that was forgotten is a member again")
}

// together waits until all servers of the message bus run as one, as the last one sees it.
func (e *ensemble) together(t *testing.T, what string) {
	t.Helper()
	within(t, *patience, what, func() error {
		out, err := e.all[2].run("rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmqctl", "--silent", "eval", "rabbit_mnesia:cluster_nodes(running).")
		for _, c := range e.all {
			if err == nil && !strings.Contains(out, "rabbit@"+c.node.Name) {
				err = errors.New(c.node.Name + " is not in it")
			}
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}, e.logs("rabbitmq"))
}

func (e *ensemble) answers(t *testing.T, c *controller) {
	t.Helper()
	within(t, *patience, c.node.Name+": RabbitMQ answers", func() error {
		out, err := exec.Command("ip", "netns", "exec", e.hub, "bash", "-c", "exec 3<>/dev/tcp/"+c.node.Address+"/5672").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}, e.logs("rabbitmq"))
}
