package apply

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"trefoil/overcloud/resource"
)

// mask hides the secrets of a document in log lines and errors.
type mask struct {
	values []string
	all    *strings.Replacer // of the values; made by sort
}

var (
	inURL    = regexp.MustCompile(`(://[^:/@\s]+:)[^@/\s]+@`)
	assigned = regexp.MustCompile(`(?i)((?:password|passwd|secret|token|private_key|cookie|credential)[a-z_]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|\S+)`)
	bcrypt   = regexp.MustCompile(`\$2[aby]\$\d\d\$[./A-Za-z0-9]{22,53}`)
	cephKey  = regexp.MustCompile(`AQ[A-Za-z0-9+/]{36,}={0,2}`)
	header   = regexp.MustCompile(`(?i)((?:authorization["']?\s*[:=]\s*["']?(?:basic|bearer|digest)?|auth_pass)\s+)[^\s"']+`)
	settings = regexp.MustCompile(`(?i)(pass|password|passwd|secret|token|key|cookie)["']?\s*$`) // service_token_roles is none
)

const (
	stars     = "******"
	minSecret = 6   // a shorter word would blank half of the log
	longLine  = 500 // bytes of a log line that are shown
)

func newMask(doc *resource.Document) mask {
	var m mask
	for _, r := range doc.Resources {
		if r.MySQLUser != nil {
			m.add(r.MySQLUser.Password)
		}
		if r.KeystoneBootstrap != nil {
			m.add(r.KeystoneBootstrap.Password)
		}
		if r.Exec != nil {
			for _, v := range r.Exec.Env {
				m.add(v)
			}
		}
		if r.File != nil && r.File.Secret {
			m.file(r.File.Content)
		}
	}
	m.sort()
	return m
}

// sort ends the adding of values. Longest first: one secret may be the beginning of another.
func (m *mask) sort() {
	slices.SortFunc(m.values, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, v := range m.values {
		pairs = append(pairs, v, stars)
	}
	m.all = strings.NewReplacer(pairs...)
}

// file finds the secrets in a settings file; a file of one word is one secret.
func (m *mask) file(content string) {
	if f := strings.Fields(content); len(f) == 1 {
		m.add(f[0])
	}
	for line := range strings.Lines(content) {
		if k, v, ok := strings.Cut(line, "="); ok && settings.MatchString(k) {
			m.add(strings.Trim(strings.TrimSpace(v), `"'`))
		}
		for _, u := range inURL.FindAllString(line, -1) {
			_, pass, _ := strings.Cut(strings.TrimPrefix(u, "://"), ":")
			m.add(strings.TrimSuffix(pass, "@"))
		}
	}
}

func (m *mask) add(v string) {
	if len(v) >= minSecret && !slices.Contains(m.values, v) {
		m.values = append(m.values, v)
	}
}

func (m mask) line(s string) string {
	if m.all != nil {
		s = m.all.Replace(s)
	}
	s = inURL.ReplaceAllString(s, "${1}"+stars+"@")
	s = header.ReplaceAllString(bcrypt.ReplaceAllString(cephKey.ReplaceAllString(s, stars), stars), "${1}"+stars)
	return assigned.ReplaceAllString(s, "${1}"+stars)
}

// tail hides the secrets of log lines and then shortens the lines: half a secret would
// not be known for one.
func (m mask) tail(lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, shortened(m.line(l)))
	}
	return out
}

// shortened cuts a long line between two characters.
func shortened(line string) string {
	if len(line) <= longLine {
		return line
	}
	end := longLine
	for end > 0 && !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + "…"
}
