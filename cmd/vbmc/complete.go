package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"trefoil/vbmc/manager"
)

// complete prints what bash needs; names of domains come from the daemon, which is
// not started for it. Behind add they are those of libvirt that have no BMC, where there is virsh.
func (p *program) complete(c *cli.Context) error {
	if err := words(c, 0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.out, `_vbmc()
{
    local cur=${COMP_WORDS[COMP_CWORD]} names
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "%s" -- "$cur"))
        return
    fi
    names=$(vbmc --no-daemon list -f value -c 'Domain name' 2>/dev/null)
    if [ "${COMP_WORDS[1]}" = add ]; then
        names=$(comm -13 <(sort <<<"$names") <(timeout 2 virsh -r -c %s list --all --name 2>/dev/null | sort))
    fi
    COMPREPLY=($(compgen -W "$names" -- "$cur"))
}
complete -F _vbmc vbmc
`, strings.Join(p.commandNames(), " "), manager.DefaultLibvirtURI)
	return err
}
