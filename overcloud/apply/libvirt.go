package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/resource"
)

// libvirtSecret defines the secret and gives it its value. The value is in a
// file, or on the output of a program: never on a command line.
func (s *step) libvirtSecret(l *resource.LibvirtSecret) handler {
	virsh := func(ctx context.Context, stdin string, args ...string) (string, error) {
		out, err := s.System.Run(ctx, Command{Args: append([]string{"virsh", "--quiet", "--connect", "qemu:///system"}, args...), Stdin: stdin, Timeout: 2 * time.Minute})
		return strings.TrimSpace(out), err
	}
	return handler{
		slow: true,
		ok: func(ctx context.Context) (bool, error) {
			key, err := os.ReadFile(s.path(l.KeyFile))
			if err != nil {
				return false, fmt.Errorf("key for libvirt: %w", err)
			}
			have, err := virsh(ctx, "", "secret-get-value", l.UUID)
			var ended *RunError
			if errors.As(err, &ended) {
				return false, nil // it has none, or no value
			}
			return have == strings.TrimSpace(string(key)), err
		},
		set: func(ctx context.Context) error {
			const secret = "<secret ephemeral='no' private='no'><uuid>%s</uuid><usage type='ceph'><name>%s</name></usage></secret>\n"
			_, err := virsh(ctx, fmt.Sprintf(secret, l.UUID, l.Usage), "secret-define", "/dev/stdin")
			if err == nil {
				_, err = virsh(ctx, "", "secret-set-value", l.UUID, "--file", l.KeyFile)
			}
			if err != nil {
				return errs.Wrap(errs.Unavailable, err, "give libvirt Ceph's key").
					WithHint("is libvirtd started, and does a wait on unix:/run/libvirt/libvirt-sock stand before this resource?")
			}
			return nil
		},
	}
}
