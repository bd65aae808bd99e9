package lab

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"trefoil/internal/yaml"
)

// Size is a number of bytes. In YAML it is written with a unit: 512M, 8G, 1T
// (powers of 1024).
type Size int64

const (
	mib Size = 1 << 20
	gib Size = 1 << 30
)

// ParseSize reads a size as it stands in YAML.
func ParseSize(s string) (Size, error) {
	number, unit := s, Size(0)
	for suffix, u := range map[string]Size{"M": mib, "G": gib, "T": gib << 10} {
		short := strings.TrimSuffix(strings.TrimSuffix(s, "iB"), "B")
		if before, ok := strings.CutSuffix(short, suffix); ok {
			number, unit = before, u
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || unit == 0 || n <= 0 || n > int64(1<<60)/int64(unit) {
		return 0, fmt.Errorf("%q is no size; expected for example 512M or 8G", s)
	}
	return Size(n) * unit, nil
}

// UnmarshalYAML reads a size and names the line where it is wrong.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	v, err := ParseSize(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*s = v
	return nil
}

// String prints the size in the largest unit that leaves no fraction.
func (s Size) String() string {
	switch {
	case s >= gib && s%gib == 0:
		return strconv.FormatInt(int64(s/gib), 10) + "G"
	case s%mib == 0:
		return strconv.FormatInt(int64(s/mib), 10) + "M"
	}
	return strconv.FormatInt(int64(s), 10) + " bytes"
}

// MiB is the size in whole mebibytes.
func (s Size) MiB() int { return int(s / mib) }

// GiB is the size in whole gibibytes.
func (s Size) GiB() int { return int(s / gib) }

// Range is a size that is wanted and the least that will do.
type Range struct {
	Want Size `yaml:"want" json:"want"`
	Min  Size `yaml:"min" json:"min"`
}

// UnmarshalYAML takes one size, or a map of want and min.
func (r *Range) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		err := r.Want.UnmarshalYAML(n)
		r.Min = r.Want
		return err
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		var err error
		switch key := n.Content[i]; key.Value {
		case "want":
			err = r.Want.UnmarshalYAML(n.Content[i+1])
		case "min":
			err = r.Min.UnmarshalYAML(n.Content[i+1])
		default:
			err = fmt.Errorf("line %d: field %s is unknown; expected want and min", key.Line, key.Value)
		}
		if err != nil {
			return err
		}
	}
	if r.Want == 0 {
		return fmt.Errorf("line %d: expected a size such as 2G, or {want: 2G, min: 1G}", n.Line)
	}
	if r.Min == 0 {
		r.Min = r.Want
	}
	return nil
}

// stableMAC makes the same address for the same card of the same lab every time,
// in the range that QEMU and libvirt use.
func stableMAC(parts ...string) string {
	h := sha256.Sum256([]byte("mac/" + strings.Join(parts, "/")))
	return fmt.Sprintf("52:54:00:%02x:%02x:%02x", h[0], h[1], h[2])
}

// stableUUID is a name-based UUID: version 8 of RFC 9562, from SHA-256.
func stableUUID(parts ...string) string {
	h := sha256.Sum256([]byte("uuid/" + strings.Join(parts, "/")))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
