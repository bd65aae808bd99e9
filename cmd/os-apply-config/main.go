// os-apply-config applies one step of a role's configuration on the node it
// runs on, and sets the node up at its first boot.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A lost connection must not leave a step half done: writes then fail and are let be.
	// Not ignored but caught, so that programs that are run get the usual behaviour.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
