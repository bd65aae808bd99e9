package ironic

import "strings"

// Masked is what is shown in the place of a secret.
const Masked = "******"

// Secret reports whether a key names something that must not be shown.
func Secret(key string) bool {
	k := strings.ToLower(key)
	for _, part := range []string{"password", "passwd", "passphrase", "secret", "token", "kg_key",
		"private_key", "priv_key", "auth_key", "priv_proto_key", "snmp_community", "admin_pass", "api_key"} {
		if strings.Contains(k, part) {
			return true
		}
	}
	return false
}
