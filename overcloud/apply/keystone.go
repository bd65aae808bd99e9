package apply

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"trefoil/overcloud/apply/keystone"
	"trefoil/overcloud/resource"
)

// keystone looks by making the rows and taking them back: what is missing is known to the
// statements that make it, and to nothing else.
func (s *step) keystone(k *resource.KeystoneBootstrap) handler {
	hash := "" // of a password that differs from the one there is
	run := func(ctx context.Context, keep bool) (int, error) {
		out, err := s.mysqlClient(ctx, keystone.Statements(k.Region, k.URL, hash, keep))
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil {
			return 0, fmt.Errorf("the database server counts no changes of Keystone's first rows: %w", err)
		}
		return n, nil
	}
	return handler{
		slow: true,
		ok: func(ctx context.Context) (bool, error) {
			have, err := s.mysqlClient(ctx, keystone.Look)
			if err != nil {
				return false, err
			}
			err = s.aside(func() (err error) {
				if !keystone.Matches(k.Password, strings.TrimSpace(have)) {
					hash, err = keystone.Hash(k.Password, k.Rounds)
				}
				return err
			})
			if err != nil {
				return false, err
			}
			n, err := run(ctx, false)
			return n == 0, err
		},
		set: func(ctx context.Context) error {
			if _, err := run(ctx, true); err != nil || k.Memcached == "" {
				return err
			}
			// One that does not answer is passed over by Keystone, too; what it knows ends after ten minutes.
			_ = s.aside(func() error { return keystone.Flush(ctx, k.Memcached) })
			return nil
		},
	}
}
