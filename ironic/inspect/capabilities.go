package inspect

import (
	"sort"
	"strings"
)

// ParseCapabilities reads "profile:control,boot_option:local". Entries without a
// colon are left out; the last of equal names wins.
func ParseCapabilities(s string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(s, ",") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), ":"); ok {
			out[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return out
}

// MergeCapabilities sets the names of add in s and keeps all else, with the
// order of s first and new names sorted behind, so that a second merge changes nothing.
func MergeCapabilities(s string, add map[string]string) string {
	var parts []string
	seen := map[string]bool{}
	for _, part := range strings.Split(s, ",") {
		part = strings.TrimSpace(part)
		k, _, ok := strings.Cut(part, ":")
		if v, set := add[k]; ok && set {
			part = k + ":" + v
		}
		if part == "" || seen[k] && ok {
			continue
		}
		seen[k] = true
		parts = append(parts, part)
	}
	var fresh []string
	for k, v := range add {
		if !seen[k] {
			fresh = append(fresh, k+":"+v)
		}
	}
	sort.Strings(fresh)
	return strings.Join(append(parts, fresh...), ",")
}
