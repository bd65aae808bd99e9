package image

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

// Each Python package has its code compiled as it is set up, and py3compile starts
// three programs before it compiles: 322 times in a whole image, on one processor.
// During the installation it stands aside for a stub, which notes the directories
// that are not dist-packages; then all is compiled at once.
const (
	divertCompiler = `dpkg-divert --quiet --root="$1" --local --no-rename --divert /usr/bin/py3compile.distrib --add /usr/bin/py3compile`

	compilerStub = `#!/bin/sh
for argument; do
  case $argument in /*) echo "$argument" >>/var/tmp/py3compile ;; esac
done
`
	// compileall ends with 1, and xargs with 123, when a file is no valid Python: some
	// packages have such among their templates, and py3compile skips them too.
	compileAll = `set -e
rm -f /usr/bin/py3compile
dpkg-divert --quiet --local --rename --remove /usr/bin/py3compile
touch /var/tmp/py3compile
{ find /usr/lib/python3/dist-packages -mindepth 1 -maxdepth 1; cat /var/tmp/py3compile; } | sort -u |
  xargs -d '\n' -n 16 -P "$1" python3 -m compileall -qq || [ $? -eq 123 ]
rm /var/tmp/py3compile
`
)

// compilePython compiles what packages brought, on every processor, and gives the tree its own py3compile back.
func (b *build) compilePython(ctx context.Context, tree string) error {
	if err := b.chrootIn(ctx, tree, strings.NewReader(compileAll), "sh", "-s", strconv.Itoa(runtime.NumCPU())); err != nil {
		return fmt.Errorf("compile Python's modules: %w", err)
	}
	return nil
}
