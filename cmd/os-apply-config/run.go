package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"trefoil/overcloud/apply/firstboot"
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	err := firstboot.Run(ctx, firstboot.Options{Root: "/", User: "heat-admin", Log: stdout, Wait: 30 * time.Second,
		Machine: firstboot.Linux{Sys: "/sys", Dev: "/dev"}})
	if err != nil {
		fmt.Fprintln(stderr, "first-boot:", err)
		return 1
	}
	return 0
}

