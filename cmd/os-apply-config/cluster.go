package main

import (
	"context"
	"io"
	"time"

	"trefoil/overcloud/apply/galera"
	"trefoil/overcloud/apply/holder"
)

// galeraCheck answers for this machine's database, and begins the cluster with it where
// it runs on without a majority and has the newest data.
func galeraCheck(ctx context.Context, stdout io.Writer) error {
	conf, err := galera.LoadConfig(galera.ConfigFile)
	if err != nil {
		return err
	}
	f := galera.Debian()
	c := &galera.Checker{Folders: f, Status: galera.Status}
	w := &galera.Watcher{
		Member:    galera.Member{Config: conf, Folders: f, Log: stdout, Own: func(context.Context) (galera.State, error) { return c.State() }},
		Pause:     3 * time.Second,
		Steady:    10, // longer than Galera takes to give up a machine that is silent, 15 s
		Bootstrap: func(ctx context.Context) error { return galera.Bootstrap(ctx, f.Socket()) },
		Reconnect: func(ctx context.Context) error { return galera.Reconnect(ctx, f.Socket()) },
	}
	go c.Refresh(ctx)
	go w.Watch(ctx)
	return c.Serve(ctx, conf)
}

func galeraStart(ctx context.Context, stdout io.Writer) error {
	conf, err := galera.LoadConfig(galera.ConfigFile)
	if err != nil {
		return err
	}
	s := &galera.Starter{Member: galera.Member{Config: conf, Folders: galera.Debian(), Log: stdout}, Pause: time.Second, Recover: galera.Recovered}
	return s.Start(ctx)
}

func galeraForce(ctx context.Context) error {
	conf, err := galera.LoadConfig(galera.ConfigFile)
	if err != nil {
		return err
	}
	return galera.Force(ctx, conf, galera.Debian())
}

// atAddress runs a program on the one machine that has the virtual address.
func atAddress(ctx context.Context, args []string, stdout io.Writer) error {
	h, err := holder.Parse(args)
	if err != nil {
		return err
	}
	h.Log = stdout
	return h.Run(ctx)
}
