package install

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/crypto/ssh"
	"gopkg.in/ini.v1"

	"trefoil/internal/errs"
	"trefoil/internal/yaml"
	"trefoil/undercloud/config"
	"trefoil/undercloud/secret"
)

// giveToOwner makes a file belong to whom the home directory belongs to: the
// installer runs as root, often on behalf of the user stack.
func giveToOwner(home, path string) error {
	info, err := os.Stat(home)
	if err != nil {
		return fmt.Errorf("look at home directory: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, int(st.Uid), int(st.Gid))
}

func makeHomeDir(home, dir string, mode os.FileMode) error {
	if err := os.MkdirAll(dir, mode); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	for d := dir; d != home && strings.HasPrefix(d, home); d = filepath.Dir(d) {
		if err := giveToOwner(home, d); err != nil {
			return err
		}
	}
	return nil
}

// homeFile writes a file of the operator, whole or not at all.
func (in *installer) homeFile(path string, data []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return os.Chmod(path, mode)
	}
	if err := secret.WriteFile(path, data, mode); err != nil {
		return err
	}
	return giveToOwner(in.Home, path)
}

// makePasswords keeps what the file has, takes what undercloud.conf says, and makes the rest.
func (in *installer) makePasswords(context.Context) error {
	in.passwords = map[string]string{}
	if data, err := os.ReadFile(in.passwordsPath()); err == nil {
		if in.passwords, err = readPasswords(data); err != nil {
			return fmt.Errorf("read %s: %w", in.passwordsPath(), err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read %s: %w", in.passwordsPath(), err)
	}
	for _, k := range config.AuthKeys() {
		if v := in.conf.Auth[k]; v != "" {
			in.passwords[k] = v
		}
		if in.passwords[k] == "" {
			v, err := in.newPassword(k)
			if err != nil {
				return err
			}
			in.passwords[k] = v
		}
	}
	return in.homeFile(in.passwordsPath(), passwordsFile(in.passwords), 0o600)
}

// passwordsFile is undercloud-passwords.conf: everything after the first = is the value.
func passwordsFile(passwords map[string]string) []byte {
	var b strings.Builder
	b.WriteString("[auth]\n")
	for _, k := range config.AuthKeys() {
		fmt.Fprintf(&b, "%s=%s\n", k, passwords[k])
	}
	return []byte(b.String())
}

// readPasswords takes values as they stand: a # or a quote belongs to the password.
func readPasswords(data []byte) (map[string]string, error) {
	f, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, IgnoreContinuation: true, PreserveSurroundedQuote: true, KeyValueDelimiters: "="}, data)
	if err != nil {
		return nil, err
	}
	return f.Section("auth").KeysHash(), nil
}

// checkAuth refuses passwords that a file with one of them per line cannot keep.
func (in *installer) checkAuth(context.Context) error {
	var bad []string
	for _, k := range config.AuthKeys() {
		v := in.conf.Auth[k]
		kept, err := readPasswords(passwordsFile(map[string]string{k: v}))
		if strings.IndexFunc(v, unicode.IsControl) >= 0 || err != nil || kept[k] != v {
			bad = append(bad, k)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return errs.New(errs.Invalid, "%s: [auth] holds value(s) that cannot be kept: %s", in.ConfPath, strings.Join(bad, ", ")).
		WithHint("a password is one line without control characters; it neither begins with ` or three quotes nor begins or ends with a space")
}

func (in *installer) newPassword(key string) (string, error) {
	switch key {
	case "undercloud_ceilometer_snmpd_user":
		return "ro_snmp_user", nil
	case "undercloud_heat_encryption_key":
		return secret.Password(in.Rand, 32)
	}
	return secret.Password(in.Rand, 40)
}

// hostsFile makes sure that the undercloud's name means something on this machine.
func (in *installer) hostsFile(context.Context) error {
	path := in.etc("hosts")
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 1 && slices.Contains(f[1:], in.conf.Hostname) {
			return nil
		}
	}
	data = withoutMarked(data) // a line of ours for an earlier name
	short, _, _ := strings.Cut(in.conf.Hostname, ".")
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = append(data, '\n')
	}
	data = append(data, fmt.Sprintf("%s %s %s %s\n", in.conf.LocalIP.Addr(), in.conf.Hostname, short, hostsMark)...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return replaceHosts(path, data)
}

const hostsMark = "# undercloud"

// sshKey makes ~/.ssh/id_rsa when there is none.
func (in *installer) sshKey(context.Context) error {
	dir := in.home(".ssh")
	path := filepath.Join(dir, "id_rsa")
	pub := path + ".pub"
	if err := makeHomeDir(in.Home, dir, 0o700); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if data, err = newRSAKey(in.Rand); err != nil {
			return err
		}
		if err := in.homeFile(path, data, 0o600); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if _, err := os.Stat(pub); err == nil {
		return nil
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "%s is there without %s, which cannot be made from it", path, pub).
			WithHint("ssh-keygen -y -f %s > %s", path, pub)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
	return in.homeFile(pub, []byte(line+" "+in.userName()+"@"+in.conf.Hostname+"\n"), 0o644)
}

func newRSAKey(r interface{ Read([]byte) (int, error) }) ([]byte, error) {
	key, err := rsa.GenerateKey(r, 3072)
	if err != nil {
		return nil, fmt.Errorf("make RSA key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), nil
}

// userName is the owner of the home directory, for the comment in the key.
func (in *installer) userName() string {
	info, err := os.Stat(in.Home)
	if err != nil {
		return "stack"
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if u, err := user.LookupId(fmt.Sprint(st.Uid)); err == nil {
			return u.Username
		}
	}
	return "stack"
}

// netConfigFile writes what the bridge is, in os-net-config's form.
func (in *installer) netConfigFile(context.Context) error {
	dns := addrStrings(in.conf.Nameservers)
	member := map[string]any{"type": "interface", "name": in.conf.LocalInterface, "primary": "true", "mtu": in.conf.LocalMTU, "dns_servers": dns}
	bridge := map[string]any{"type": "linux_bridge", "name": config.Bridge, "mtu": in.conf.LocalMTU, "ovs_extra": []string{},
		"addresses": []any{map[string]any{"ip_netmask": in.conf.LocalIP.String()}}, "members": []any{member}, "routes": routes(in.conf)}
	data, err := json.MarshalIndent(map[string]any{"network_config": []any{bridge}}, "", "    ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(in.etc("os-net-config"), 0o755); err != nil {
		return err
	}
	return secret.WriteFile(in.etc("os-net-config", "config.json"), append(data, '\n'), 0o644)
}

func addrStrings(list []netip.Addr) []string {
	out := []string{}
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

// routes lead to the subnets that are behind the local subnet's gateway.
func routes(c *config.Config) []any {
	out := []any{}
	local := c.Local()
	for _, s := range c.Subnets {
		if s.Name != c.LocalSubnet {
			out = append(out, map[string]any{"ip_netmask": s.CIDR.String(), "next_hop": local.Gateway.String()})
		}
	}
	return out
}

// clientFiles writes stackrc and adds the cloud to clouds.yaml.
func (in *installer) clientFiles(context.Context) error {
	at := access{in.svc.PublicURL("identity"), in.authority(), in.svc.AdminPassword}
	if err := in.homeFile(in.stackrcPath(), []byte(stackrc(at)), 0o600); err != nil {
		return err
	}
	dir := in.home(".config", "openstack")
	if err := makeHomeDir(in.Home, dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "clouds.yaml")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	data, err := addCloud(path, old, at)
	if err != nil {
		return err
	}
	return in.homeFile(path, data, 0o600)
}

// access is what a client needs.
type access struct {
	authURL   string
	authority string // file of an own certificate authority; empty: none
	password  string
}

func stackrc(at access) string {
	var b strings.Builder
	b.WriteString("# Forget every other cloud first: its settings would mix with these.\n" +
		"for key in $(env | sed -n 's/^\\(OS_[A-Za-z0-9_]*\\)=.*/\\1/p'); do unset \"$key\"; done\n\n")
	if at.authority != "" {
		fmt.Fprintf(&b, "export OS_CACERT=%s\n", shellWord(at.authority))
	}
	for _, kv := range [][2]string{
		{"NOVA_VERSION", "1.1"}, {"OS_PASSWORD", shellWord(at.password)}, {"OS_AUTH_TYPE", "password"}, {"OS_AUTH_URL", shellWord(at.authURL + "/")},
		{"OS_USERNAME", "admin"}, {"OS_PROJECT_NAME", "admin"}, {"COMPUTE_API_VERSION", "1.1"}, {"IRONIC_API_VERSION", "latest"},
		{"OS_BAREMETAL_API_VERSION", "$IRONIC_API_VERSION"}, {"OS_NO_CACHE", "True"}, {"OS_CLOUDNAME", "undercloud"},
		{"OS_IDENTITY_API_VERSION", "'3'"}, {"OS_PROJECT_DOMAIN_NAME", "'Default'"}, {"OS_USER_DOMAIN_NAME", "'Default'"}} {
		fmt.Fprintf(&b, "export %s=%s\n", kv[0], kv[1])
	}
	b.WriteString("\n# Show in the prompt which cloud is meant.\n" +
		"if [ -z \"${CLOUDPROMPT_ENABLED:-}\" ]; then\n" +
		"    export PS1=\"\\${OS_CLOUDNAME:+(\\$OS_CLOUDNAME) }${PS1:-}\"\n" +
		"    export CLOUDPROMPT_ENABLED=1\nfi\n")
	return b.String()
}

// shellWord quotes a value for sh where it needs that, and leaves others as TripleO writes them.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_./:@%+,=-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// addCloud puts the cloud into a clouds.yaml and keeps all else in it, comments too.
func addCloud(name string, old []byte, at access) ([]byte, error) {
	fields := map[string]any{"auth": map[string]any{"auth_url": at.authURL, "username": "admin", "password": at.password,
		"project_name": "admin", "user_domain_name": "Default", "project_domain_name": "Default"},
		"region_name": "regionOne", "identity_api_version": "3", "baremetal_api_version": "latest"}
	if at.authority != "" {
		fields["cacert"] = at.authority
	}
	entry, err := yaml.Marshal(fields)
	if err != nil {
		return nil, err
	}
	cloud, err := yaml.Parse(name, entry)
	if err != nil {
		return nil, err
	}
	root, err := yaml.Parse(name, old)
	if err != nil {
		return nil, err
	}
	if root == nil {
		root = &yaml.Node{Kind: yaml.MappingNode}
	}
	clouds := child(root, "clouds", &yaml.Node{Kind: yaml.MappingNode})
	if root.Kind != yaml.MappingNode || clouds.Kind != yaml.MappingNode {
		return nil, errs.New(errs.Invalid, "%s: expected a map with the key clouds", name)
	}
	*child(clouds, "undercloud", cloud) = *cloud
	return yaml.Marshal(root)
}

// child returns the value of a key, which it adds where it is missing.
func child(m *yaml.Node, key string, otherwise *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, otherwise)
	return otherwise
}
