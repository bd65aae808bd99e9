// Command undercloud is the service: identity, bare metal, images, network,
// compute and orchestration APIs, conductor, and DHCP, TFTP and HTTP boot.
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
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}
