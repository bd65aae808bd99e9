package apply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"trefoil/overcloud/resource"
)

// System is what the engine does to a machine beside files. Linux is the real
// one; tests use a fake one, which keeps units, databases and bridges in maps.
type System interface {
	// Run runs a program to its end and returns its standard output. A program
	// that ends with another code than 0 gives a *RunError.
	Run(ctx context.Context, c Command) (stdout string, err error)
	// Owner finds the numbers of a user and a group; "" gives -1.
	Owner(user, group string) (uid, gid int, err error)
	// Probe tries once whether what a Wait names answers.
	Probe(ctx context.Context, w resource.Wait) error
	// Disks lists the machine's whole disks and what is on them. Those over a network are
	// looked at only where named holds their paths; the others' Use says so.
	Disks(ctx context.Context, named []string) ([]Disk, error)
	// WholeDisks lists the same without what is on them. It starts no process.
	WholeDisks() ([]Disk, error)
}

// Command is a program to run. There is no shell, and no secret in Args.
type Command struct {
	Args    []string
	Env     map[string]string
	Stdin   string
	User    string // "" is root
	Timeout time.Duration
}

// RunError is a program that ended with a code other than 0.
type RunError struct {
	Name   string
	Code   int
	Output string // the end of standard error and output
}

func (e *RunError) Error() string {
	first, _, _ := strings.Cut(strings.TrimSpace(e.Output), "\n")
	return fmt.Sprintf("%s ended with code %d: %s", e.Name, e.Code, first)
}

// Disk is a whole block device. Use says what it is used for; empty is free.
type Disk struct {
	Path    string // /dev/vdb
	Bytes   int64
	Use     string // partitions, ext4, lvm member …
	Mounted bool   // it or a part of it is mounted, swapped to or held by another device
	Remote  bool   // reached over iSCSI, Fibre Channel or NVMe over Fabrics: it may be a server's volume
}
