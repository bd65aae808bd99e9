package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/ssh"
	"trefoil/overcloud/stack"
)

// The commands that look at a node's os-apply-config and put ours in its place: whole or
// not at all, whatever is cut off. What an earlier try left behind is written over.
const (
	programSum = "sha256sum /usr/local/bin/os-apply-config"
	programPut = `sudo sh -c 'set -e; cd /usr/local/bin; cat >.os-apply-config.new; ` +
		`[ "$(sha256sum <.os-apply-config.new)" = "%s  -" ]; chmod 0755 .os-apply-config.new; ` +
		`sync .os-apply-config.new; mv -f .os-apply-config.new os-apply-config'`
)

// renew gives a node our own os-apply-config when it has another one: that of its image is
// older than an undercloud that was updated since, and would not know new resources.
func (r *Remote) renew(ctx context.Context, c *ssh.Client, n stack.Node, tell func(string)) error {
	if r.Program == "" {
		return nil
	}
	program, err := os.ReadFile(r.Program)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "read the program that configures nodes").WithHint("install all five programs into one directory: make build")
	}
	sum := sha256.Sum256(program)
	want, has := hex.EncodeToString(sum[:]), ""
	err = c.Run(ctx, programSum, nil, func(line []byte) {
		text, _, _ := strings.Cut(string(bytes.TrimSpace(line)), " ")
		has = text
	})
	if err != nil && lost(err) {
		return fmt.Errorf("look at os-apply-config of %s: %w", n.Name, err)
	}
	if has == want { // without the file there is nothing to compare, and ours is put there
		return nil
	}
	if tell != nil {
		tell("os-apply-config is replaced by the one of this undercloud")
	}
	if err := c.Run(ctx, fmt.Sprintf(programPut, want), program, func([]byte) {}); err != nil {
		return errs.Wrap(errs.Unavailable, err, "replace os-apply-config of %s", n.Name).WithHint("is its disk full? see: df /usr/local/bin on the node")
	}
	return nil
}
