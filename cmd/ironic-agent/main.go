// Command ironic-agent is /init of the deploy ramdisk: it makes a bare kernel
// into a machine with disks and a network, then runs the agent. It can also run
// as an ordinary program, with the same parameters as on the kernel command
// line given as arguments (ipa-api-url=… ipa-inspection-callback-url=…).
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"trefoil/ironic/agent"
	"trefoil/ironic/agent/boot"
	"trefoil/ironic/agent/hw"
	"trefoil/ironic/agentapi"
)

func main() {
	if os.Getpid() != 1 {
		if err := run(context.Background(), boot.ParseParams(strings.Join(os.Args[1:], " ")), newConsole(os.Stderr), false); err != nil {
			fmt.Fprintln(os.Stderr, "ironic-agent:", err)
			os.Exit(1)
		}
		return
	}
	c := newConsole(os.Stdout)
	err := initialize(c)
	c.log.Error("the agent cannot go on; the machine ends in 30 s", "error", err)
	time.Sleep(30 * time.Second)
	params, _ := boot.Params() // what cannot be read asks for nothing
	ending(params)()
}

// ending is how a machine ends when there is nothing left to do: one that must never be
// off starts anew.
func ending(params map[string]string) func() {
	if agentapi.StaysOn(params) {
		return boot.Reboot
	}
	return boot.PowerOff
}

// initialize is PID 1's way: it returns only with the reason why it cannot go on.
func initialize(c *console) (err error) {
	defer func() {
		if r := recover(); r != nil {
			buf := make([]byte, 8<<10)
			err = fmt.Errorf("panic: %v\n%s", r, buf[:runtime.Stack(buf, false)])
		}
	}()
	ctx := context.Background()
	if err := boot.Mount(); err != nil {
		return err
	}
	boot.Reap()
	params, err := boot.Params()
	if err != nil {
		return err
	}
	c.log.Info("phase: modules")
	warnf := func(f string, a ...any) { c.log.Warn(fmt.Sprintf(f, a...)) }
	if err := boot.LoadModules(warnf, 20*time.Second); err != nil {
		return err
	}
	if err := boot.SeedRandom(); err != nil {
		c.log.Warn("random numbers may block", "error", err)
	}
	c.log.Info("phase: network")
	netCtx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	name, ack, err := boot.Network(netCtx, hw.BootMAC(params["BOOTIF"]), warnf)
	if err != nil {
		return fmt.Errorf("no network after five minutes: %w", err)
	}
	c.log.Info("network", "interface", name, "address", ack.YourIPAddr.String())
	return run(ctx, params, c, true)
}

// run starts the agent proper. As PID 1 it may end the machine.
func run(ctx context.Context, params map[string]string, c *console, pid1 bool) error {
	probe := hw.Probe{BootIF: params["BOOTIF"]}
	cfg := agent.Config{
		InspectURL: params["ipa-inspection-callback-url"], Token: params["ipa-agent-token"], BootIF: params["BOOTIF"],
		AdvertiseHost: params["ipa-advertise-host"], Hardware: probe, LogTail: c.tail, Log: c.log,
	}
	if urls := params["ipa-api-url"]; urls != "" {
		cfg.APIURLs = strings.Split(urls, ",")
	}
	if cfg.InspectURL == "" && len(cfg.APIURLs) == 0 {
		return fmt.Errorf("nothing to do: give ipa-api-url= or ipa-inspection-callback-url= on the kernel command line")
	}
	if pid1 {
		cfg.PowerOff, cfg.Reboot = ending(params), boot.Reboot
	}
	if err := agent.New(cfg).Run(ctx); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}

// quiet keeps what the console shows short: times count from the start.
func quiet(start time.Time) func([]string, slog.Attr) slog.Attr {
	return func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.String("t", fmt.Sprintf("%.2fs", time.Since(start).Seconds()))
		}
		return a
	}
}
