package identity

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"trefoil/internal/errs"
)

// Of a file that is there, no hint may say how to make it: htpasswd -c empties it.
func TestAUsersFileThatIsThereIsNotMadeAnew(t *testing.T) {
	err := unreadable("the file of users", "/etc/f", &fs.PathError{Op: "open", Path: "/etc/f", Err: fs.ErrPermission})
	me := strconv.Itoa(os.Geteuid())
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "user "+me) || !strings.Contains(err.Error(), "/etc/f") ||
		!strings.Contains(errs.HintOf(err), "chown "+me+" /etc/f") || strings.Contains(errs.HintOf(err), "htpasswd") {
		t.Errorf("%v (hint %s)", err, errs.HintOf(err))
	}
	dir := t.TempDir()
	_, err = NewBasic(BasicConfig{File: dir})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), dir+" is a directory; expected a file") || strings.Contains(errs.HintOf(err), "htpasswd") {
		t.Errorf("%v (hint %s)", err, errs.HintOf(err))
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if _, err = NewBasic(BasicConfig{File: loop}); !errs.Is(err, errs.Invalid) || strings.Contains(errs.HintOf(err), "htpasswd") {
		t.Errorf("%v (hint %s)", err, errs.HintOf(err))
	}
	_, err = NewBasic(BasicConfig{File: filepath.Join(dir, "none")})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.HintOf(err), "htpasswd -cB") {
		t.Errorf("%v (hint %s)", err, errs.HintOf(err))
	}
}
