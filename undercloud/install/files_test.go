package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

// TestStackrcKeepsAnyPassword sources the file with passwords that a shell would read otherwise.
func TestStackrcKeepsAnyPassword(t *testing.T) {
	for _, password := range []string{"plain0", "two words", "it's", `a"b`, "$HOME", "`id`", `back\slash`, "a;exit 1", "a#b", "*", "~root", "ä", "!!"} {
		text := stackrc(access{authURL: "http://192.168.255.1:5000", password: password})
		path := filepath.Join(t.TempDir(), "stackrc")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, shell := range []string{"sh", "bash"} {
			out, err := exec.Command(shell, "-c", `. "$0"; printf %s "$OS_PASSWORD"`, path).CombinedOutput()
			if err != nil || string(out) != password {
				t.Errorf("%s: %q becomes %q (%v)", shell, password, out, err)
			}
		}
		if bare := strings.Contains(text, "export OS_PASSWORD="+password+"\n"); bare != (password == "plain0") {
			t.Errorf("%q is bare: %v", password, bare)
		}
	}
}

// TestChosenPasswordsAreKeptWhenTheConfigurationForgetsThem writes and reads odd ones.
func TestChosenPasswordsAreKeptWhenTheConfigurationForgetsThem(t *testing.T) {
	for _, password := range []string{"a #b", "a;b", `"quoted"`, "'single'", `end\`, "a=b:c", "%(x)s", "$HOME"} {
		in := newInstaller(t, good+"[auth]\nundercloud_admin_password = "+password+"\n")
		chosen := in.conf.Auth["undercloud_admin_password"]
		if err := in.checkAuth(t.Context()); err != nil {
			t.Errorf("%q: %v", password, err)
		}
		for range 2 {
			if err := in.makePasswords(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := in.passwords["undercloud_admin_password"]; got != chosen {
				t.Errorf("%q becomes %q", chosen, got)
			}
			in.conf.Auth = nil
		}
	}
}

func TestPasswordsThatNoFileCanKeepAreRefused(t *testing.T) {
	for _, password := range []string{"two\nlines", "bell\a", " lead", "trail ", "`raw`", `"""three`} {
		in := newInstaller(t, good)
		in.conf.Auth = map[string]string{"undercloud_db_password": password}
		err := in.checkAuth(t.Context())
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "undercloud_db_password") || strings.Contains(err.Error(), strings.TrimSpace(password)) {
			t.Errorf("%q: %v", password, err)
		}
	}
}
