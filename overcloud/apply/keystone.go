package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trefoil/overcloud/apply/keystone"
	"trefoil/overcloud/resource"
)

// keystone looks by making the rows and taking them back: what is missing is known to the
// statements that make it, and to nothing else.
func (s *step) keystone(k *resource.KeystoneBootstrap) handler {
	hash := "" // of a password that differs from the one there is
	run := func(ctx context.Context, keep bool) (changes, told int, err error) {
		out, err := s.mysqlClient(ctx, keystone.Statements(k.Region, k.URL, hash, keep))
		// A server of another machine may have changed the same rows: theirs are kept then, and ours taken back.
		for try := 1; err != nil && tookLocks(err) && try < 5; try++ {
			out, err = s.mysqlClient(ctx, keystone.Statements(k.Region, k.URL, hash, keep))
		}
		if err != nil {
			return 0, 0, err
		}
		if _, err := fmt.Sscan(out, &changes, &told); err != nil {
			return 0, 0, fmt.Errorf("the database server counts no changes of Keystone's first rows: %w", err)
		}
		return changes, told, nil
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
			n, _, err := run(ctx, false)
			return n == 0, err
		},
		set: func(ctx context.Context) error {
			_, told, err := run(ctx, true)
			if err != nil || told == 0 || k.Memcached == "" {
				return err
			}
			// One that does not answer is passed over by Keystone, too; what it knows ends after ten minutes.
			_ = s.aside(func() error { return keystone.Flush(ctx, k.Memcached) })
			return nil
		},
	}
}

// tookLocks tells whether statements failed because of others that were under way: a deadlock,
// with a server of another machine too, or a lock that was not free in time.
func tookLocks(err error) bool {
	var ended *RunError
	return errors.As(err, &ended) && (strings.Contains(ended.Output, "ERROR 1213 ") || strings.Contains(ended.Output, "ERROR 1205 "))
}
