package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"trefoil/internal/errs"
	"trefoil/internal/nearest"
)

// FernetKeys is the name by which the keys of Keystone's tokens rotate, together.
const FernetKeys = "KeystoneFernetKeys"

// fernetFolder is where Keystone reads its keys; maxFernetKeys as many as TripleO
// keeps (KeystoneFernetMaxActiveKeys).
const (
	fernetFolder  = "/etc/keystone/fernet-keys"
	maxFernetKeys = 5
)

// busPassword is the password of the message bus's user.
const busPassword = "RabbitPassword"

// fernetKeys are the keys of Keystone's tokens, of which one signs and one is staged.
func fernetKeys() []string { return []string{"KeystoneFernetKey0", "KeystoneFernetKey1"} }

// fixed says why a password cannot be made anew in place; "" if it can.
func fixed(name string) string {
	switch {
	case name == SeedName:
		return "the random texts of the templates are made from it: all of them would change"
	case name == "CephClusterFSID":
		return "it is the Ceph cluster's identity: its monitors and OSDs would no longer know one another"
	case name == "NovaLibvirtSecretUUID":
		return "the disks of running servers refer to the libvirt secret by it"
	case name == "KeystoneCredential0" || name == "KeystoneCredential1":
		return "stored credentials are encrypted with it: on a controller, keystone-manage credential_rotate and credential_migrate keep the old key until they are read"
	case slices.Contains(fernetKeys(), name):
		return "the keys of tokens rotate together: name " + FernetKeys
	case slices.Contains(cephNames, name):
		return "the key lives in the Ceph cluster, which a deployment does not change: ceph auth must get the new one first"
	case slices.Contains([]string{"BarbicanSimpleCryptoKek", "HeatAuthEncryptionKey", "OctaviaCaKeyPassphrase", "OctaviaServerCertsKeyPassphrase"}, name):
		return "what is stored already is encrypted with it"
	case name == busPassword:
		return "RabbitMQ makes its user at its first start only: on a controller, rabbitmqctl change_password, and the same value in an environment that also has " + byHand + ": [" + busPassword + "]"
	case name == busUser:
		return "RabbitMQ makes its user at its first start only: on a controller, rabbitmqctl add_user and set_permissions, and the same name in an environment that also has " + byHand + ": [" + busUser + "]"
	case name == "RabbitCookie":
		return "a running RabbitMQ takes its own stop command only with the cookie that it was started with"
	case name == "SwiftHashSuffix":
		return "it decides where objects lie: none would be found again"
	}
	return ""
}

// Rotatable are the passwords that Rotate makes anew where none is named, sorted.
// The keys of tokens are not among them: see Rotate.
func Rotatable() []string {
	var out []string
	for _, name := range slices.Concat(passwordNames, fernetNames, []string{"MigrationSshKey", "KeepalivedPassword"}) {
		if fixed(name) == "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Rotate returns have with the named passwords made anew, all Rotatable ones where
// none is named, and which these are. have stays as it is. generate makes what is
// missing (GeneratePasswords). What cannot be changed in place is refused, with the
// reason for each.
//
// With FernetKeys the staged key becomes the one that signs and a new one is staged:
// tokens of the key that signed until now stay good only where a template deploys
// the whole of FernetKeys; ours deploys two keys, so that users log in again.
func Rotate(have map[string]string, names []string, generate func(map[string]string) (map[string]string, error)) (map[string]string, []string, error) {
	if len(names) == 0 {
		names = Rotatable()
	}
	known := slices.Concat(passwordNames, fernetNames, cephNames, uuidNames, []string{SeedName, "MigrationSshKey", "KeepalivedPassword", FernetKeys})
	var wrong []string
	for _, name := range names {
		_, has := have[name]
		switch why := fixed(name); {
		case why != "":
			wrong = append(wrong, name+" is not rotated: "+why)
		case !slices.Contains(known, name) && has:
			wrong = append(wrong, name+" is not rotated: it was given, not generated; set it in an environment")
		case !slices.Contains(known, name):
			wrong = append(wrong, fmt.Sprintf("no password is called %s%s", name, nearest.Hint(name, known)))
		}
	}
	if len(wrong) > 0 {
		return nil, nil, errs.New(errs.Invalid, "%s", strings.Join(wrong, "\n"))
	}
	out := maps.Clone(have)
	for _, name := range names {
		if name != FernetKeys {
			delete(out, name)
		}
	}
	if slices.Contains(names, FernetKeys) {
		out["KeystoneFernetKey1"] = have["KeystoneFernetKey0"]
		delete(out, "KeystoneFernetKey0")
	}
	out, err := generate(out)
	if err == nil && slices.Contains(names, FernetKeys) {
		out[FernetKeys], err = shifted(have[FernetKeys], out["KeystoneFernetKey0"])
	}
	if err != nil {
		return nil, nil, err
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return out, slices.Compact(names), nil
}

// shifted rotates a repository of keys as keystone-manage fernet_rotate does: the
// staged key, 0, becomes the highest, which signs; staged is the new one; the lowest
// beyond maxFernetKeys go.
func shifted(text, staged string) (string, error) {
	var files map[string]struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal([]byte(text), &files); err != nil {
		return "", errs.Wrap(errs.Invalid, err, "%s: expected a map of files, as it is generated", FernetKeys)
	}
	byIndex, highest := map[int]string{}, 0
	for name, f := range files {
		i, err := strconv.Atoi(path.Base(name))
		if err != nil || i < 0 {
			return "", errs.New(errs.Invalid, "%s: the file %s is not named by a number", FernetKeys, name)
		}
		byIndex[i], highest = f.Content, max(highest, i)
	}
	byIndex[highest+1], byIndex[0] = byIndex[0], staged
	indexes := slices.Sorted(maps.Keys(byIndex))
	for len(indexes) > maxFernetKeys {
		delete(byIndex, indexes[1])
		indexes = slices.Delete(indexes, 1, 2)
	}
	out := map[string]map[string]string{}
	for i, key := range byIndex {
		out[fmt.Sprintf("%s/%d", fernetFolder, i)] = map[string]string{"content": key}
	}
	data, err := json.Marshal(out)
	return string(data), err
}
