package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"trefoil/internal/errs"
	"trefoil/overcloud/ssh"
	"trefoil/overcloud/stack"
)

// The commands that look at a node's os-apply-config and put ours in its place: whole or
// not at all, whatever is cut off, and only if it runs there. What it is called meanwhile
// is its own; what a kill left behind an hour ago goes.
const (
	programSum = "sha256sum /usr/local/bin/os-apply-config"
	programPut = `sudo sh -c 'set -e; cd /usr/local/bin; find . -maxdepth 1 -name ".os-apply-config.*" -mmin +60 -delete; ` +
		`t=.os-apply-config.$$; trap "rm -f $t" EXIT; cat >$t; chmod 0755 $t; ` +
		`[ "$(./$t version)" = %s ] || { echo "what arrived is not the program, or does not run here" >&2; exit 1; }; ` +
		`sync $t; mv -f $t os-apply-config'`
)

// program is our own os-apply-config; nil: nodes keep theirs.
type program struct {
	file *os.File
	sum  string // SHA-256 in hex
}

// openProgram finds out what nodes are to have.
func openProgram(path string) (*program, error) {
	if path == "" {
		return nil, nil
	}
	wrong := func(err error) error {
		return errs.Wrap(errs.Invalid, err, "read the program that configures nodes").WithHint("install all five programs into one directory: make build")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, wrong(err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		f.Close()
		return nil, wrong(err)
	}
	return &program{f, hex.EncodeToString(h.Sum(nil))}, nil
}

func (p *program) close() {
	if p != nil {
		p.file.Close()
	}
}

// renew gives a node our os-apply-config when it has another one: that of its image is
// older than an undercloud that was updated since, and would not know new resources. An
// error of the connection is one that lost knows.
func (p *program) renew(ctx context.Context, c *ssh.Client, n stack.Node, tell func(string)) error {
	if p == nil {
		return nil
	}
	has := ""
	err := c.Run(ctx, programSum, nil, func(line []byte) {
		has, _, _ = strings.Cut(string(bytes.TrimSpace(line)), " ")
	})
	if lost(err) {
		return fmt.Errorf("look at os-apply-config of %s: %w", n.Name, err)
	}
	if has == p.sum { // without the file there is nothing to compare, and ours is put there
		return nil
	}
	if tell != nil {
		tell("os-apply-config is replaced by the one of this undercloud")
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return errs.Wrap(errs.Invalid, err, "read the program that configures nodes")
	}
	err = c.RunFrom(ctx, fmt.Sprintf(programPut, p.sum), p.file, func([]byte) {})
	switch {
	case err == nil:
		return nil
	case lost(err):
		return fmt.Errorf("replace os-apply-config of %s: %w", n.Name, err)
	}
	return errs.Wrap(errs.Unavailable, err, "replace os-apply-config of %s", n.Name).WithHint("is there room on the node? df /usr/local/bin; is the os-apply-config beside undercloud for its processor?")
}
