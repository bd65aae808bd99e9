package identity

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"trefoil/internal/errs"
)

func hashOf(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return "$2y$" + string(h[4:]) // as htpasswd writes it
}

// users writes an htpasswd file, by rename, as editors do.
func users(t *testing.T, path string, mode os.FileMode, lines ...string) {
	t.Helper()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

// basicWorld is a guarded handler that answers with the user's name.
func basicWorld(t *testing.T, lines ...string) (ask func(authorization string) *httptest.ResponseRecorder, path string, log *bytes.Buffer, c *clock) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "htpasswd")
	users(t, path, 0o600, lines...)
	log, c = &bytes.Buffer{}, &clock{time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)}
	b, err := NewBasic(BasicConfig{File: path, Now: c.now, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	h := b.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := FromContext(r.Context())
		if r.Header.Get("Authorization") != "" {
			t.Error("the password goes on to the handler")
		}
		_, _ = w.Write([]byte("hello " + id.UserName))
	}))
	return func(authorization string) *httptest.ResponseRecorder {
		header := map[string]string{}
		if authorization != "" {
			header["Authorization"] = authorization
		}
		return send(h, "GET", "/v1/nodes", "", header)
	}, path, log, c
}

func basicHeader(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// The answers are those of ironic_lib.auth_basic.
func TestBasicAnswersInIronicsWords(t *testing.T) {
	ask, _, log, _ := basicWorld(t, "# people", "admin:"+hashOf(t, "sec:ret"), "")
	for name, c := range map[string]struct {
		header, body string
		code         int
	}{
		"nobody":         {"", `{"error":{"code":401,"message":"Authorization required"}}`, 401},
		"wrong password": {basicHeader("admin", "hunter2"), `{"error":{"code":401,"message":"Incorrect username or password"}}`, 401},
		"unknown user":   {basicHeader("eve", "hunter2"), `{"error":{"code":401,"message":"Incorrect username or password"}}`, 401},
		"a token":        {"Bearer abc", `{"error":{"code":400,"message":"Unsupported authorization type \"Bearer\""}}`, 400},
		"one word":       {"Basic", `{"error":{"code":400,"message":"Could not parse Authorization header"}}`, 400},
		"no base64":      {"Basic %%%", `{"error":{"code":400,"message":"Could not decode authorization token"}}`, 400},
		"no colon":       {"Basic " + base64.StdEncoding.EncodeToString([]byte("admin")), `{"error":{"code":400,"message":"Could not decode authorization token"}}`, 400},
		"right":          {basicHeader("admin", "sec:ret"), "hello admin", 200},
		"lower case":     {"basic " + strings.TrimPrefix(basicHeader("admin", "sec:ret"), "Basic "), "hello admin", 200},
	} {
		w := ask(c.header)
		if w.Code != c.code || strings.TrimSpace(w.Body.String()) != c.body {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if realm := w.Header().Get("WWW-Authenticate"); (realm == `Basic realm="Baremetal API"`) != (c.code == 401) {
			t.Errorf("%s: WWW-Authenticate %q", name, realm)
		}
		if c.code != 200 && w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", name, w.Header().Get("Content-Type"))
		}
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log shows a password: %s", log)
	}
}

func TestBasicReadsTheFileAgainWhenItChanges(t *testing.T) {
	ask, path, _, _ := basicWorld(t, "admin:"+hashOf(t, "old"))
	if w := ask(basicHeader("admin", "old")); w.Code != 200 {
		t.Fatal(w.Body)
	}
	users(t, path, 0o600, "admin:"+hashOf(t, "new"), "bob:"+hashOf(t, "b"))
	for header, code := range map[string]int{basicHeader("admin", "old"): 401, basicHeader("admin", "new"): 200, basicHeader("bob", "b"): 200} {
		if w := ask(header); w.Code != code {
			t.Errorf("%s: %d", header, w.Code)
		}
	}
}

// A slip in the file locks nobody out, lets nobody in who was not there before, and keeps
// nobody in whom it does not name any more.
func TestBasicKeepsItsUsersWhileTheFileIsBroken(t *testing.T) {
	ask, path, log, _ := basicWorld(t, "admin:"+hashOf(t, "a"), "bob:"+hashOf(t, "b"))
	ask(basicHeader("admin", "a")) // known from now on, bob is not
	for _, c := range []struct {
		what   string
		change func()
		words  string
		bob    int
	}{
		{"mode", func() { users(t, path, 0o644, "admin:"+hashOf(t, "new")) }, path + " has mode 0644", 200},
		{"missing", func() { _ = os.Remove(path) }, "the file of users cannot be read: open " + path, 200},
		{"line", func() { users(t, path, 0o600, "eve:"+hashOf(t, "e"), "bob:{SHA}abc", "admin:x") }, path + ":2: Only bcrypt digested passwords are supported for bob", 200},
		{"without bob", func() { users(t, path, 0o600, "admin:x") }, path + ":1: ", 401},
	} {
		log.Reset()
		c.change()
		for header, code := range map[string]int{basicHeader("admin", "a"): 200, basicHeader("bob", "b"): c.bob, basicHeader("eve", "e"): 401, basicHeader("admin", "new"): 401} {
			if w := ask(header); w.Code != code {
				t.Errorf("%s, %s: %d %s", c.what, header, w.Code, w.Body)
			}
		}
		if l := log.String(); strings.Count(l, "cannot be used") != 1 || !strings.Contains(l, c.words) || !strings.Contains(l, "level=WARN") || !strings.Contains(l, "hint=") {
			t.Errorf("%s: expected one warning that says %q: %s", c.what, c.words, l)
		}
	}
	log.Reset()
	users(t, path, 0o600, "admin:"+hashOf(t, "new"))
	// In this order: another wrong password of admin, and the right one would have to wait.
	for _, c := range []struct {
		header string
		code   int
	}{{basicHeader("admin", "new"), 200}, {basicHeader("admin", "a"), 401}, {basicHeader("bob", "b"), 401}} {
		if w := ask(c.header); w.Code != c.code {
			t.Errorf("mended, %s: %d", c.header, w.Code)
		}
	}
	if !strings.Contains(log.String(), "good again") {
		t.Errorf("nothing says that it is mended: %s", log)
	}
	users(t, path, 0o600)
	if w := ask(basicHeader("admin", "new")); w.Code != 401 {
		t.Errorf("the last user was taken out and is let in: %d", w.Code)
	}
}

func TestBasicSlowsDownWhoGuesses(t *testing.T) {
	ask, _, _, c := basicWorld(t, "admin:"+hashOf(t, "right"), "bob:"+hashOf(t, "b"))
	if w := ask(basicHeader("bob", "b")); w.Code != 200 {
		t.Fatal(w.Body)
	}
	for range 5 {
		ask(basicHeader("admin", "wrong"))
		ask(basicHeader("bob", "wrong"))
	}
	if w := ask(basicHeader("admin", "right")); w.Code != 401 || !strings.Contains(w.Body.String(), "Too many failed logins") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(basicHeader("bob", "b")); w.Code != 200 {
		t.Errorf("who was in is locked out by another's guesses: %d %s", w.Code, w.Body)
	}
	c.t = c.t.Add(time.Minute)
	if w := ask(basicHeader("admin", "right")); w.Code != 200 {
		t.Errorf("a minute later: %d %s", w.Code, w.Body)
	}
}

func TestBasicRefusesAFileThatIsWrong(t *testing.T) {
	good := hashOf(t, "x")
	for name, c := range map[string]struct {
		mode  os.FileMode
		line  string
		words string
	}{
		"others read":   {0o644, "a:" + good, "has mode 0644"},
		"group writes":  {0o660, "a:" + good, "has mode 0660"},
		"MD5":           {0o600, "a:$apr1$x$y", ":1: Only bcrypt digested passwords are supported for a"},
		"plain":         {0o600, "a:secret", ":1: Only bcrypt"},
		"cut short":     {0o600, "a:" + good[:40], ":1: the hash of user a is no whole bcrypt hash"},
		"no user":       {0o600, good, ":1: expected user:hash"},
		"twice":         {0o600, "a:" + good + "\na:" + good, ":2: user a is there twice"},
		"far too dear":  {0o600, "a:" + strings.Replace(good, "$04$", "$20$", 1), "cost 20"},
		"nobody at all": {0o600, "# none", "names no user"},
	} {
		path := filepath.Join(t.TempDir(), "htpasswd")
		users(t, path, c.mode, c.line)
		_, err := NewBasic(BasicConfig{File: path})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), path) || errs.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %s)", name, err, errs.HintOf(err))
		}
		if err != nil && (strings.Contains(err.Error(), good[8:]) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: the error shows the hash: %v", name, err)
		}
	}
	if _, err := NewBasic(BasicConfig{File: filepath.Join(t.TempDir(), "none")}); !errs.Is(err, errs.Invalid) || !strings.Contains(errs.HintOf(err), "htpasswd -cB") {
		t.Errorf("%v", err)
	}
}
