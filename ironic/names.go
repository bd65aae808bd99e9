package ironic

import (
	"regexp"
	"slices"
	"strings"
)

var (
	uuidPattern  = regexp.MustCompile(`^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`)
	namePattern  = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,255}$`)
	traitPattern = regexp.MustCompile(`^[A-Z0-9_]+$`)
)

// IsUUID takes the forms Ironic takes: with and without dashes.
func IsUUID(s string) bool { return uuidPattern.MatchString(s) }

// ValidName is Ironic's rule for names of what is also found by its UUID, but for the names . and ..: in a path
// they are other places.
func ValidName(name string) bool {
	return namePattern.MatchString(name) && !IsUUID(name) && name != "." && name != ".."
}

// ValidNodeName is ValidName without the words that stand behind /v1/nodes/ themselves.
func ValidNodeName(name string) bool {
	return ValidName(name) && !slices.Contains([]string{"maintenance", "management", "states", "ports", "portgroups", "bios",
		"volume", "vifs", "traits", "detail", "validate", "vendor_passthru", "history", "inventory", "allocation", "firmware",
		"children", "vmedia", "indicators"}, name)
}

// FlagsFault says which reason stands at a node without its flag; "": none.
func FlagsFault(n *Node) string {
	switch {
	case n.ProtectedReason != "" && !n.Protected:
		return "The protected_reason field can only be set when protected is True."
	case n.RetiredReason != "" && !n.Retired:
		return "The retired_reason field can only be set when retired is True."
	}
	return ""
}

// MaxTraits is how many traits a node may have.
const MaxTraits = 50

// TraitSpaces are what traits begin with: the name spaces of OpenStack's list os-traits.
func TraitSpaces() []string {
	return []string{"CUSTOM_", "COMPUTE_", "HW_", "MISC_", "OWNER_", "STORAGE_"}
}

// ValidTrait takes custom traits as Ironic does, and of others each that may be one of
// os-traits: which it has depends on its release.
func ValidTrait(name string) bool {
	if len(name) > 255 || !traitPattern.MatchString(name) {
		return false
	}
	return slices.ContainsFunc(TraitSpaces(), func(space string) bool { return len(name) > len(space) && strings.HasPrefix(name, space) })
}
