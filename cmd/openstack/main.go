// Command openstack is the operator's command line: the nouns, flags, tables
// and exit codes of OpenStackClient and tripleoclient. What it does not know it
// hands to the next openstack on PATH.
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
	os.Exit(run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}
