// Command vbmc manages virtual BMCs of libvirt domains, with virtualbmc's
// commands, options, tables and exit codes. Called as vbmcd, or as "vbmc
// daemon", it is the daemon that serves them all.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once, whatever hangs
	os.Exit(run(ctx, os.Args, os.Getenv, os.Stdout, os.Stderr))
}
