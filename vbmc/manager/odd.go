package manager

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// Oddities are what virtualbmc passes over in a file, so that it is no reason to refuse it, and
// what its writer hardly meant: of a mistyped password the default one is in force.

// oddKeys tells the keys of a section that are unknown and nearly a known one.
func (f iniFile) oddKeys(section string, known []string) (odd []error) {
	for _, key := range slices.Sorted(maps.Keys(f.sections[section])) {
		if slices.Contains(known, key) {
			continue
		}
		if meant := nearest.Name(key, known); meant != "" {
			odd = append(odd, errs.New(errs.Invalid, "%s: [%s] %s is unknown and passed over", f.place(section, key), section, key).
				WithHint("did you mean %q?", meant))
		}
	}
	return odd
}

// oddSections is oddKeys of sections.
func (f iniFile) oddSections(known []string) (odd []error) {
	for _, name := range slices.Sorted(maps.Keys(f.sections)) {
		if slices.Contains(known, name) {
			continue
		}
		if meant := nearest.Name(strings.ToLower(name), known); meant != "" {
			odd = append(odd, errs.New(errs.Invalid, "%s:%d: section [%s] is unknown and passed over", f.name, f.lines[name], name).
				WithHint("did you mean [%s]?", meant))
		}
	}
	return odd
}

// configKeys are all keys of a domain's configuration.
func configKeys() []string {
	return []string{"domain_name", "username", "password", "port", "address", "libvirt_uri", "libvirt_sasl_username", "libvirt_sasl_password",
		"active", "kg", "cipher_suites", "console", "boot_mac", "efi", "live_boot_order"}
}

// oddities are those of a domain's configuration; of one that cannot be read there are none.
func (d dirStore) oddities(name string) []error {
	raw, err := os.ReadFile(d.file(name))
	if err != nil {
		return nil
	}
	f, err := parseINI(d.file(name), string(raw))
	if err != nil || f.sections[configSection] == nil {
		return nil
	}
	odd := f.oddKeys(configSection, configKeys())
	if _, ok := f.sections[configSection]["password"]; !ok {
		odd = append(odd, errs.New(errs.Invalid, "%s: [%s] has no password: the default one logs in", f.name, configSection).
			WithHint("vbmc edit '%s' --password-file FILE", name))
	}
	if domain, ok := f.sections[configSection]["domain_name"]; ok && domain.text != name {
		odd = append(odd, d.misnamed(name, domain.text))
	}
	return odd
}

// tellOdd logs the oddities of a configuration when they are news. m.mu is held.
func (m *Manager) tellOdd(name string) {
	var all []string
	for _, err := range m.store.oddities(name) {
		all = append(all, explain(err))
	}
	text := strings.Join(all, "\n")
	if m.odd[name] == text {
		return
	}
	m.odd[name] = text
	for _, line := range all {
		m.logOf(name).Warn("configuration may not be as it was meant", "reason", line)
	}
}

// settingsKeys are the keys of virtualbmc.conf by section, virtualbmc's and ours.
func settingsKeys() map[string][]string {
	return map[string][]string{
		"default": {"config_dir", "pid_file", "server_port", "server_response_timeout", "server_spawn_wait", "show_passwords"},
		"log":     {"debug", "logfile"},
		"ipmi":    {"session_timeout"},
		"metrics": {"listen"},
	}
}

// oddSettings are the oddities of virtualbmc.conf. Its server_port is virtualbmc's alone.
func oddSettings(f iniFile) []error {
	known := settingsKeys()
	sections := slices.Sorted(maps.Keys(known))
	odd := f.oddSections(sections)
	for _, section := range sections {
		odd = append(odd, f.oddKeys(section, known[section])...)
	}
	if v := f.text("default", "server_port"); v != "" {
		if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 65535 {
			odd = append(odd, f.wrong("default", "server_port", "1 to 65535, for virtualbmc; here nothing listens there"))
		}
	}
	return odd
}

// oddFindings are oddities as Doctor tells them.
func oddFindings(domain, check string, odd []error) []Finding {
	var out []Finding
	for _, err := range odd {
		out = append(out, Finding{domain, check, Warning, err.Error(), errs.HintOf(err)})
	}
	return out
}
