package diff

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/nearest"
	"trefoil/overcloud/hot"
	"trefoil/overcloud/plan"
)

// shortest is the length from which a secret is looked for inside other text:
// shorter ones would be found everywhere, and are hidden only where they are all
// of a value or stand behind a name that says what they are.
const shortest = 6

// secrets hides them. Before texts are compared each secret is replaced by a
// token of its own, so that it shows that a secret changed, and the tokens by
// Hidden when the result is shown.
type secrets struct {
	tokens map[string]string // secret → token
	pairs  []string          // what is replaced besides
	inside *strings.Replacer // nil until done
}

var (
	token = regexp.MustCompile("\ue000[0-9]+\ue001")
	inURL = regexp.MustCompile(`(://[^:/@\s]+:)[^@/\s]+@`)
	// telling is a setting whose name says that its value is secret.
	telling = regexp.MustCompile(`(?i)((?:password|passwd|secret|secret_key|private_key|auth_?key|auth_?token|cookie|passphrase)["']?\s*(?:=>|[=:])\s*)("[^"]+"|'[^']+'|[^\s"',}\]]+)`)
	// public are values that are no secret wherever they stand.
	public = regexp.MustCompile(`^["']?(?i:true|false|yes|no|null|none|nil|undef|\*+)["']?$`)
)

// newSecrets gathers those of plans.
func newSecrets(pairs []string, plans ...*plan.Plan) *secrets {
	s := &secrets{tokens: map[string]string{}, pairs: pairs}
	for _, p := range plans {
		for _, name := range union(p.Passwords, nil) {
			s.add(p.Passwords[name])
		}
		for _, v := range p.Secrets {
			s.add(v)
		}
		for _, name := range p.Hidden {
			s.leaves(p.Parameters[name])
		}
		s.ofRoles(p)
	}
	return s
}

// ofRoles gathers what was given for hidden parameters of one role, in <Role>Parameters, also
// where their names have a slip: nothing checks these values, and what was meant is a secret.
func (s *secrets) ofRoles(p *plan.Plan) {
	for _, group := range union(p.Parameters, nil) {
		given, ok := p.Parameters[group].(map[string]any)
		if !ok || !strings.HasSuffix(group, "Parameters") {
			continue
		}
		for _, name := range union(given, nil) {
			if tells(name, "any") || slices.ContainsFunc(p.Hidden, func(h string) bool { return nearest.Distance(name, h) <= slip }) {
				s.leaves(given[name])
			}
		}
	}
}

// slip is how many letters of a hidden parameter's name may be wrong.
const slip = 2

// SecretTexts are the texts that must not be shown of a plan: passwords, what was
// given for hidden parameters, random texts of templates, in all the forms in which
// they stand inside other text; sorted. Very short ones are left out: they would be
// found everywhere.
func SecretTexts(p *plan.Plan) []string {
	s := newSecrets(nil, p)
	var out []string
	for _, secret := range union(s.tokens, nil) {
		out = append(out, forms(secret)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ofConfig gathers those that only resources have.
func (s *secrets) ofConfig(cfg plan.Config) {
	for _, node := range union(cfg, nil) {
		for _, doc := range cfg[node] {
			for _, r := range doc.Resources {
				if r.MySQLUser != nil {
					s.add(r.MySQLUser.Password)
				}
				if r.KeystoneBootstrap != nil {
					s.add(r.KeystoneBootstrap.Password)
				}
				if r.File != nil && r.File.Secret && len(strings.Fields(r.File.Content)) == 1 {
					s.add(strings.TrimSpace(r.File.Content))
				}
			}
		}
	}
}

func (s *secrets) leaves(v any) {
	switch t := v.(type) {
	case map[string]any:
		for _, k := range union(t, nil) {
			s.leaves(t[k])
		}
	case []any:
		for _, e := range t {
			s.leaves(e)
		}
	case nil, bool:
	default:
		text := hot.String(t)
		s.add(text)
		var inner any
		if strings.HasPrefix(strings.TrimSpace(text), "{") && json.Unmarshal([]byte(text), &inner) == nil {
			s.leaves(inner) // keys and the like are given as JSON text
		}
	}
}

func (s *secrets) add(text string) {
	if len(text) < 3 || public.MatchString(text) || s.tokens[text] != "" {
		return
	}
	s.tokens[text] = "\ue000" + strconv.Itoa(len(s.tokens)) + "\ue001"
}

// done makes the replacer. Longest first: one secret may be the beginning of another.
func (s *secrets) done() {
	type form struct{ text, token string }
	var all []form
	for _, secret := range union(s.tokens, nil) {
		for _, f := range forms(secret) {
			all = append(all, form{f, s.tokens[secret]})
		}
	}
	slices.SortStableFunc(all, func(a, b form) int { return len(b.text) - len(a.text) })
	args := slices.Clone(s.pairs)
	for _, f := range all {
		args = append(args, f.text, f.token)
	}
	s.inside = strings.NewReplacer(args...)
}

// forms are the ways in which a secret stands inside other text: as it is, line
// by line, in JSON, YAML, URLs and base64.
func forms(secret string) []string {
	out := []string{secret}
	if j, err := json.Marshal(secret); err == nil {
		out = append(out, strings.Trim(string(j), `"`))
	}
	if strings.Contains(secret, "\n") {
		for line := range strings.Lines(secret) {
			out = append(out, strings.TrimSpace(line))
		}
	} else {
		out = append(out, url.QueryEscape(secret), url.PathEscape(secret), strings.ReplaceAll(secret, "'", "''"))
	}
	out = append(out, base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte(secret)))
	out = slices.DeleteFunc(out, func(f string) bool { return len(f) < shortest })
	slices.Sort(out)
	return slices.Compact(out)
}

// tokened is text with tokens for secrets.
func (s *secrets) tokened(text string) string {
	if t := s.tokens[text]; t != "" {
		return t
	}
	return s.inside.Replace(text)
}

// tokenedValue is v with tokens for secrets, in every text and for every number.
func (s *secrets) tokenedValue(v any) any {
	switch t := v.(type) {
	case string:
		return s.tokened(t)
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[s.tokened(k)] = s.tokenedValue(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = s.tokenedValue(e)
		}
		return out
	case int, int64, float64:
		if tok := s.tokens[hot.String(t)]; tok != "" {
			return tok
		}
	}
	return v
}

// show replaces tokens, and what else looks like a secret.
func show(text string) string {
	text = token.ReplaceAllString(text, Hidden)
	text = inURL.ReplaceAllString(text, "${1}"+Hidden+"@")
	return telling.ReplaceAllStringFunc(text, func(m string) string {
		p := telling.FindStringSubmatch(m)
		if public.MatchString(p[2]) {
			return m
		}
		return p[1] + Hidden
	})
}

// shown is text as it may be shown.
func (s *secrets) shown(text string) string { return show(s.tokened(text)) }

// shownValue is v as it may be shown. Values of names that tell are hidden too.
// Without secrets v is shown as it is.
func (s *secrets) shownValue(v any) any {
	if s == nil {
		return v
	}
	return showValue(s.tokenedValue(v))
}

// tells says whether the name of a value is one of a secret.
func tells(name, value string) bool {
	line := fmt.Sprintf("%s: %q", name, value)
	return value != "" && telling.MatchString(line) && !public.MatchString(value)
}

func showValue(v any) any {
	switch t := v.(type) {
	case string:
		return show(t)
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			if text := hot.String(e); tells(k, text) {
				e = Hidden
			}
			out[show(k)] = showValue(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = showValue(e)
		}
		return out
	}
	return v
}
