package ironic

import (
	"slices"
	"strings"
)

// Masked is what is shown in the place of a secret.
const Masked = "******"

// Secret reports whether a key names something that must not be shown. raw_bytes is a command for a BMC, which may set a
// password there.
func Secret(key string) bool {
	k := strings.ToLower(key)
	for _, part := range []string{"password", "passwd", "passphrase", "secret", "token", "kg_key",
		"private_key", "priv_key", "auth_key", "priv_proto_key", "snmp_community", "admin_pass", "api_key", "raw_bytes"} {
		if strings.Contains(k, part) {
			return true
		}
	}
	return false
}

// Mask returns a copy of m with every secret replaced by Masked, at any depth: texts and numbers under a
// key that Secret names, or within what lies under one, and whatever stands under one of the keys
// always. Flags, nothing and empty texts hold no secret and stay (agent_secret_token_pregenerated). nil
// of nil.
func Mask(m map[string]any, always ...string) map[string]any {
	return maskMap(m, false, always)
}

// MaskValue is Mask for what stands under a key.
func MaskValue(key string, v any, always ...string) any {
	return Mask(map[string]any{key: v}, always...)[key]
}

func maskMap(m map[string]any, secret bool, always []string) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		if v != nil && slices.Contains(always, k) {
			out[k] = Masked
			continue
		}
		out[k] = maskValue(v, secret || Secret(k), always)
	}
	return out
}

func maskValue(v any, secret bool, always []string) any {
	switch x := v.(type) {
	case map[string]any:
		return maskMap(x, secret, always)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = maskValue(x[i], secret, always)
		}
		return out
	case nil, bool:
		return v
	}
	if secret && v != "" {
		return Masked
	}
	return v
}
