package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

const hostnameMap = "HostnameMap"

// hostnames holds the keys of HostnameMap against the names that the roles' formats make. One
// of a machine that is not there yet waits for it and is told; one that no format makes is
// never read, and the machine that was meant would silently be called as its role says.
func (b *builder) hostnames(p *Plan) error {
	given, _ := b.root.Parameters[hostnameMap].(map[string]any)
	var known []string // the names of the machines, as the formats make them
	for _, s := range p.Servers {
		i := slices.IndexFunc(p.Roles, func(r Role) bool { return r.Name == s.Role })
		known = append(known, b.hostname(p.Roles[i], strconv.Itoa(s.Index)))
	}
	from, firsts := b.env.Origins[hostnameMap], make([]string, len(p.Roles))
	for i, r := range p.Roles {
		firsts[i] = b.hostname(r, "0")
	}
	var all problems
	for _, k := range sortedKeys(given) {
		role, index := b.roleOf(k, p.Roles)
		switch {
		case role == nil:
			all.add(from.File, from.Line, "HostnameMap: no machine of any role can be called %q%s", k, nearest.Hint(k, slices.Concat(known, firsts)))
		case !slices.Contains(known, k) && !slices.Contains(role.Removed, index):
			b.warnings = append(b.warnings, fmt.Sprintf("%s: HostnameMap: there is no machine %s, as role %s has %d: the name waits for it", from, k, role.Name, role.Count))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s", strings.Join(all, "\n")).
		WithHint("keys are names as the roles' formats make them (<Role>HostnameFormat), the first machines': %s", strings.Join(firsts, ", "))
}

// hostname is what a role's format calls the machine of an index.
func (b *builder) hostname(r Role, index string) string {
	return strings.NewReplacer("%stackname%", b.o.Stack, "%index%", index).Replace(r.HostnameFormat)
}

// roleOf is the role whose format makes a name, of which index; nil: none makes it.
func (b *builder) roleOf(name string, roles []Role) (*Role, int) {
	const digits = "\x00" // in no format
	for i, r := range roles {
		format := regexp.QuoteMeta(b.hostname(r, digits))
		m := regexp.MustCompile("^" + strings.ReplaceAll(format, digits, "(0|[1-9][0-9]*)") + "$").FindStringSubmatch(name)
		if m == nil {
			continue
		}
		index := 0
		if len(m) > 1 {
			index, _ = strconv.Atoi(m[1]) // one too large is of no machine either
		}
		return &roles[i], index
	}
	return nil, 0
}
