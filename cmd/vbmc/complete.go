package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// complete prints what bash needs; names of domains come from the daemon, which is
// not started for it.
func (p *program) complete(c *cli.Context) error {
	if err := words(c, 0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, `_vbmc()
{
    local cur=${COMP_WORDS[COMP_CWORD]}
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "%s" -- "$cur"))
    else
        COMPREPLY=($(compgen -W "$(vbmc --no-daemon list -f value -c 'Domain name' 2>/dev/null)" -- "$cur"))
    fi
}
complete -F _vbmc vbmc
`, strings.Join(p.commandNames(), " "))
	return err
}
