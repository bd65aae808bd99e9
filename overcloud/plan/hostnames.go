package plan

import (
	"cmp"
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
// that is a slip away from such a name is refused: the machine that was meant would silently be
// called as its role says. Others wait for a machine, or a role, that is not there, and are told.
func (b *builder) hostnames(p *Plan) error {
	given, _ := b.root.Parameters[hostnameMap].(map[string]any)
	var known []string // the names of the machines, as the formats make them
	for _, s := range p.Servers {
		i := slices.IndexFunc(p.Roles, func(r Role) bool { return r.Name == s.Role })
		known = append(known, b.hostname(p.Roles[i], strconv.Itoa(s.Index)))
	}
	firsts := make([]string, len(p.Roles))
	for i, r := range p.Roles {
		firsts[i] = b.hostname(r, "0")
	}
	var all problems
	for _, k := range sortedKeys(given) {
		role, index := b.roleOf(k, p.Roles)
		from := b.env.At(hostnameMap, k)
		switch {
		case role == nil:
			likely := b.likely(k, p.Roles)
			near := nearest.Name(k, likely)
			if near != "" && nearest.Distance(k, near) <= slip {
				all.add(from.File, from.Line, "HostnameMap: no machine of any role can be called %q; did you mean %q?", k, near)
				continue
			}
			b.warnings = append(b.warnings, fmt.Sprintf("%s: HostnameMap: no machine of any role can be called %s%s: the name waits for such a role", from, k, nearest.Hint(k, likely)))
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

// likely are the names that the roles' formats make with the number that a name has.
func (b *builder) likely(name string, roles []Role) []string {
	numbers := regexp.MustCompile("[0-9]+").FindAllString(name, -1)
	index := append([]string{"0"}, numbers...)[len(numbers)]
	index = cmp.Or(strings.TrimLeft(index, "0"), "0")
	var out []string
	for _, r := range roles {
		out = append(out, b.hostname(r, index))
	}
	return out
}

// roleOf is the role whose format makes a name, of which index; nil: none makes it.
func (b *builder) roleOf(name string, roles []Role) (*Role, int) {
	const place = "\x00" // in no format
	for i, r := range roles {
		format := regexp.QuoteMeta(b.hostname(r, place))
		m := regexp.MustCompile("^" + strings.ReplaceAll(format, place, "(0|[1-9][0-9]*)") + "$").FindStringSubmatch(name)
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
