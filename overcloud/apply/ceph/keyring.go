package ceph

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"trefoil/internal/errs"
)

// entity is somebody whom the cluster knows: its key, and what it may do by
// kind of daemon.
type entity struct {
	Name string            `json:"entity"`
	Key  string            `json:"key"`
	Caps map[string]string `json:"caps"`
}

// parseKeyring reads Ceph's keyring format: sections with key and caps lines.
// Errors never quote a line, which may hold a key.
func parseKeyring(text string) ([]entity, error) {
	var out []entity
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok && strings.HasSuffix(name, "]") {
			out = append(out, entity{Name: strings.TrimSuffix(name, "]"), Caps: map[string]string{}})
			continue
		}
		k, v, ok := strings.Cut(line, "=")
		if !ok || len(out) == 0 {
			return nil, errs.New(errs.Invalid, "keyring, line %d: expected [entity], key = … or caps KIND = …", number)
		}
		k, v = strings.TrimSpace(k), strings.Trim(strings.TrimSpace(v), `"`)
		last := &out[len(out)-1]
		kind, isCaps := strings.CutPrefix(k, "caps ")
		switch {
		case k == "key":
			last.Key = v
		case isCaps:
			last.Caps[strings.TrimSpace(kind)] = v
		default:
			return nil, errs.New(errs.Invalid, "keyring, line %d: %q is neither key nor caps", number, k)
		}
	}
	return out, nil
}

// section is the keyring text of an entity.
func (e entity) section() string {
	return fmt.Sprintf("[%s]\n\tkey = %s\n", e.Name, e.Key)
}

// newKey makes a key as Ceph's tools do: type 1 (AES), the time in seconds and
// nanoseconds, the length and 16 random bytes, little endian, in base64.
func newKey(now time.Time) (string, error) {
	b := make([]byte, 12+16)
	binary.LittleEndian.PutUint16(b, 1)
	binary.LittleEndian.PutUint32(b[2:], uint32(now.Unix()))
	binary.LittleEndian.PutUint16(b[10:], 16)
	_, err := rand.Read(b[12:])
	return base64.StdEncoding.EncodeToString(b), err
}

// newUUID is random, of version 4.
func newUUID() (string, error) {
	u := make([]byte, 16)
	if _, err := rand.Read(u); err != nil {
		return "", err
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), nil
}
