package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"trefoil/overcloud/image"
)

func main() {
	f, _ := os.Create("/var/tmp/img/build.log")
	r, err := image.Build(context.Background(), image.Options{Packages: strings.Fields(os.Args[1]), OutputDir: "/var/tmp/img/out", CacheDir: "/var/cache/trefoil/image",
		FirstBoot: "/tmp/wt/cloud/bin/os-apply-config", Log: f, Progress: func(p image.Progress) {
			if p.Done%50 == 0 {
				fmt.Println(p.Stage, p.Done, p.Total, p.Note, p.Elapsed)
			}
		}})
	fmt.Println(r, err)
}
