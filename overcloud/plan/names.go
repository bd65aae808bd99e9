package plan

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// names is what %{…} means at one place: maps, the first that has a name wins, and
// the machines that a text may be repeated for.
type names struct {
	maps []map[string]string
	each func(service string, peers bool) []map[string]string // facts of the machines; nil: there are none to repeat for
}

// with are the same names with one more map behind the others.
func (s names) with(m map[string]string) names {
	return names{append(slices.Clone(s.maps), m), s.each}
}

// placeholder is a name that a machine fills in, or a percent sign that begins none, written as in Hiera.
var placeholder = regexp.MustCompile(`%\{(literal\('%'\)|[A-Za-z0-9_.]+)\}`)

// repeated is a text that stands once for every machine that runs a service, or every
// other one, joined by what follows the service's name.
var repeated = regexp.MustCompile(`(?s)%\{(each|each_peer) ([a-z0-9_]+)(?: ([^}]*))?\}(.*?)%\{end\}`)

// loose is a beginning or end of a repetition that has no other side.
var loose = regexp.MustCompile(`%\{(each|each_peer) [^}]*\}|%\{end\}`)

// serviceList is the name of all machines that run a service, of which there may be none.
var serviceList = regexp.MustCompile(`^[a-z0-9_]+_node_(ips|all_ips|names|fqdns|count)$`)

// packetSize is the name of what fits into a packet on a service's network; cloudMTU that of
// the provisioning network, which counts where the service runs nowhere.
var packetSize = regexp.MustCompile(`^[a-z0-9_]+_mtu$`)

const cloudMTU = "cloud.mtu"

// fillIn fills in the names of a text. What a repetition gave is not looked at again.
func (s names) fillIn(text string) (string, error) {
	if !strings.Contains(text, "%{") {
		return text, nil
	}
	var out strings.Builder
	at := 0
	if s.each != nil {
		for _, m := range repeated.FindAllStringSubmatchIndex(text, -1) {
			before, err := s.plain(text[at:m[0]])
			if err != nil {
				return text, err
			}
			at = m[1]
			separator := ""
			if m[6] >= 0 {
				separator = text[m[6]:m[7]]
			}
			list, err := s.repeat(text[m[4]:m[5]], text[m[2]:m[3]] == "each_peer", text[m[8]:m[9]])
			if err != nil {
				return text, err
			}
			out.WriteString(before + strings.Join(list, separator))
		}
	}
	rest, err := s.plain(text[at:])
	out.WriteString(rest)
	return out.String(), err
}

// plain fills in the names of a text without repetitions.
func (s names) plain(text string) (string, error) {
	if part := loose.FindString(text); part != "" {
		return text, errs.New(errs.Invalid, "%s: a text that is repeated is %%{each SERVICE}…%%{end}, and none stands within another", part)
	}
	var failed error
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		v, err := s.value(m)
		if err != nil {
			failed = err
		}
		return v
	})
	return out, failed
}

// repeat is what a body gives for each machine that runs a service.
func (s names) repeat(service string, peers bool, body string) ([]string, error) {
	var out []string
	all := s.each(service, peers)
	for i, facts := range all {
		facts["each.number"] = strconv.Itoa(i + 1)
		if facts["each.nth"] = ""; len(all) > 1 {
			facts["each.nth"] = facts["each.number"]
		}
		one, err := names{append([]map[string]string{facts}, s.maps...), nil}.fillIn(body)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// value is what one name, as it is written, means.
func (s names) value(m string) (string, error) {
	name := m[2 : len(m)-1]
	if name == "literal('%')" {
		return "%", nil
	}
	for _, sc := range s.maps {
		if v, ok := sc[name]; ok {
			return v, nil
		}
	}
	if serviceList.MatchString(name) { // runs nowhere: no machines
		if strings.HasSuffix(name, "_count") {
			return "0", nil
		}
		return "", nil
	}
	if packetSize.MatchString(name) {
		return s.value("%{" + cloudMTU + "}")
	}
	var known []string
	for _, sc := range s.maps {
		known = append(known, sortedKeys(sc)...)
	}
	return m, errs.New(errs.Invalid, "%s means nothing here%s", m, nearest.Hint(name, known))
}
