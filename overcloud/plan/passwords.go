package plan

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// passwordNames are the parameters that hold a random password of letters and
// digits, as TripleO names them (tripleo-common, Queens and Wallaby).
var passwordNames = strings.Fields(`AdminPassword AdminToken AodhPassword BarbicanPassword CeilometerMeteringSecret
	CeilometerPassword CephDashboardAdminPassword CephGrafanaAdminPassword CinderPassword ClustercheckPassword CongressPassword
	DesignatePassword Ec2ApiPassword EtcdInitialClusterToken GlancePassword GnocchiPassword HAProxyStatsPassword HeatAuthEncryptionKey
	HeatPassword HeatStackDomainAdminPassword HorizonSecret IronicPassword KeystonePassword LibvirtTLSPassword ManilaPassword
	MistralPassword MysqlClustercheckPassword MysqlMariabackupPassword MysqlRootPassword NeutronMetadataProxySharedSecret
	NeutronPassword NotifyPassword NovaPassword NovajoinPassword OctaviaCaKeyPassphrase OctaviaHeartbeatKey OctaviaPassword
	OctaviaServerCertsKeyPassphrase OpenDaylightPassword PacemakerRemoteAuthkey PankoPassword PcsdPassword PlacementPassword
	RabbitCookie RabbitPassword RedisPassword RpcPassword SaharaPassword SnmpdReadonlyUserPassword SwiftHashSuffix
	SwiftPassword TackerPassword TrovePassword ZaqarPassword`)

// fernetNames hold 32 random bytes in URL-safe base64, cephNames Ceph keys, and
// uuidNames random UUIDs.
var (
	fernetNames = strings.Fields("KeystoneFernetKey0 KeystoneFernetKey1 KeystoneCredential0 KeystoneCredential1 BarbicanSimpleCryptoKek DesignateRndcKey")
	cephNames   = strings.Fields("CephAdminKey CephBootstrapOsdKey CephClientKey CephManilaClientKey CephMdsKey CephMgrKey CephMonKey CephRgwKey")
	uuidNames   = strings.Fields("CephClusterFSID NovaLibvirtSecretUUID")
)

// SeedName is the secret that the random texts of templates are made from; it is
// kept with the passwords and is no parameter.
const SeedName = "TrefoilSeed"

const (
	passwordLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	passwordLength  = 25
)

// GeneratePasswords returns existing with whatever is missing made from random
// (crypto/rand.Reader outside tests). What exists is kept: changing a password
// of a deployed cloud breaks it.
func GeneratePasswords(existing map[string]string, random io.Reader) (map[string]string, error) {
	out := make(map[string]string, len(existing)+len(passwordNames))
	for k, v := range existing {
		out[k] = v
	}
	makers := []struct {
		names []string
		make  func(io.Reader) (string, error)
	}{{passwordNames, newPassword}, {fernetNames, newFernetKey}, {cephNames, newCephKey}, {uuidNames, newUUID},
		{[]string{SeedName}, newPassword}, {[]string{"MigrationSshKey"}, newKeyPair}, {[]string{"KeepalivedPassword"}, newPassword}}
	for _, m := range makers {
		for _, name := range m.names {
			if out[name] != "" {
				continue
			}
			v, err := m.make(random)
			if n := lengths(name); n > 0 && err == nil {
				v, err = newText(random, n)
			}
			if err != nil {
				return nil, fmt.Errorf("make %s: %w", name, err)
			}
			out[name] = v
		}
	}
	if out["KeystoneFernetKeys"] == "" { // the form that Keystone's container template wants
		out["KeystoneFernetKeys"] = fmt.Sprintf(`{"/etc/keystone/fernet-keys/0": {"content": %q}, "/etc/keystone/fernet-keys/1": {"content": %q}}`,
			out["KeystoneFernetKey0"], out["KeystoneFernetKey1"])
	}
	return out, nil
}

// lengths are those of passwords that must have a length of their own; 0 for others.
func lengths(name string) int {
	switch name {
	case "HeatAuthEncryptionKey", "OctaviaServerCertsKeyPassphrase":
		return 32 // keys of AES-256
	case "PacemakerRemoteAuthkey":
		return 4096 // pacemaker_remote reads at most as much
	case "KeepalivedPassword":
		return 8 // VRRP heeds no more
	}
	return 0
}

func newPassword(random io.Reader) (string, error) { return newText(random, passwordLength) }

func newText(random io.Reader, length int) (string, error) {
	var b strings.Builder
	one := make([]byte, 1)
	for b.Len() < length {
		if _, err := io.ReadFull(random, one); err != nil {
			return "", err
		}
		if int(one[0]) < 256/len(passwordLetters)*len(passwordLetters) { // else some letters were likelier
			b.WriteByte(passwordLetters[int(one[0])%len(passwordLetters)])
		}
	}
	return b.String(), nil
}

func newFernetKey(random io.Reader) (string, error) {
	key := make([]byte, 32)
	_, err := io.ReadFull(random, key)
	return base64.URLEncoding.EncodeToString(key), err
}

// newCephKey is type 1 (AES), a time of zero, the length, and 16 bytes, all
// little endian, in base64.
func newCephKey(random io.Reader) (string, error) {
	key := make([]byte, 12+16)
	binary.LittleEndian.PutUint16(key, 1)
	binary.LittleEndian.PutUint16(key[10:], 16)
	_, err := io.ReadFull(random, key[12:])
	return base64.StdEncoding.EncodeToString(key), err
}

func newUUID(random io.Reader) (string, error) {
	u := make([]byte, 16)
	if _, err := io.ReadFull(random, u); err != nil {
		return "", err
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80 // RFC 9562, version 4
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), nil
}
