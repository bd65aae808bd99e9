package identity

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/bcrypt"

	"trefoil/internal/errs"
)

// BasicConfig of a Basic. File is required.
type BasicConfig struct {
	File string // an htpasswd file: lines user:hash, hashes of bcrypt only (htpasswd -B)
	Now  func() time.Time
	Log  *slog.Logger
}

// Basic lets in whoever the htpasswd file names: Ironic's auth_strategy http_basic.
// All users are administrators. The file is read again when it has changed; while
// it is wrong, those users of its last good contents stay whom it still names, and while
// it is missing or cannot be read all of them; the log says once what is wrong. Safe for
// concurrent use. Source of answers:
// ironic_lib.auth_basic.
type Basic struct {
	cfg   BasicConfig
	fails *limiter
	key   []byte        // of proofs; never leaves this process
	slots chan struct{} // hashes that are made at a time: strangers must not take all processors

	mu    sync.Mutex
	state string // what the file was when it was looked at last
	wrong string // why it could not be used then
	users map[string][]byte
	known map[string][]byte // user → proof of the password that was right: bcrypt costs 60 ms and more
	dummy []byte            // a hash that costs as much as a user's
}

// maxCost is the largest cost of a hash, 2^cost rounds: another one more doubles
// what any stranger's request costs.
const maxCost = 15

// NewBasic reads the file. Errors are Invalid and name file, line and what to do.
func NewBasic(cfg BasicConfig) (*Basic, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Basic{cfg: cfg, fails: newLimiter(cfg.Now), key: make([]byte, 32), slots: make(chan struct{}, 2)}
	if _, err := rand.Read(b.key); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	var err error
	b.state = fileState(cfg.File)
	if b.users, _, err = readUsers(cfg.File); err != nil {
		return nil, err
	}
	b.forget()
	return b, nil
}

// Middleware lets only requests with a user's name and password through.
func (b *Basic) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := b.check(r)
		if err != nil {
			refuse(w, err)
			return
		}
		r = r.WithContext(WithIdentity(r.Context(), Identity{UserID: user, UserName: user, System: true, Admin: true, Roles: roleChain()}))
		r.Header = r.Header.Clone()
		r.Header.Del("Authorization") // nothing behind needs it
		next.ServeHTTP(w, r)
	})
}

// refuse answers in Ironic's words and shape.
func refuse(w http.ResponseWriter, err error) {
	code := errs.HTTPStatus(errs.CodeOf(err))
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Baremetal API"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"message": err.Error(), "code": code}}) // the client is gone: nobody to tell
}

func (b *Basic) check(r *http.Request) (string, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", errs.New(errs.Unauthorized, "Authorization required")
	}
	kind, token, ok := strings.Cut(strings.TrimSpace(header), " ")
	if !ok {
		return "", errs.New(errs.Invalid, "Could not parse Authorization header")
	}
	if !strings.EqualFold(kind, "basic") {
		return "", errs.New(errs.Invalid, "Unsupported authorization type \"%s\"", kind)
	}
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	user, password, ok := bytes.Cut(pair, []byte(":"))
	if err != nil || !ok {
		return "", errs.New(errs.Invalid, "Could not decode authorization token")
	}
	return string(user), b.login(r, string(user), password)
}

// login checks a password. An unknown user costs as much time as a wrong password.
func (b *Basic) login(r *http.Request, user string, password []byte) error {
	b.mu.Lock()
	b.refresh()
	hash, found := b.users[user]
	known, dummy := b.known[user], b.dummy
	b.mu.Unlock()
	proof := b.proof(password)
	if known != nil && hmac.Equal(proof, known) {
		return nil
	}
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	bucket := source + "/" + user
	if wait := b.fails.blocked(bucket); wait > 0 {
		return tooMany(wait)
	}
	if !found {
		hash = dummy
	}
	select {
	case b.slots <- struct{}{}:
	case <-r.Context().Done():
		return r.Context().Err()
	}
	if wait := b.fails.blocked(bucket); wait > 0 { // by those that were before this one in the row
		<-b.slots
		return tooMany(wait)
	}
	err = bcrypt.CompareHashAndPassword(hash, password)
	<-b.slots
	right := err == nil && found
	if wait := b.fails.judge(bucket, right); wait > 0 {
		return tooMany(wait)
	}
	if !right {
		b.cfg.Log.Warn("login refused", "user", user, "from", source)
		return errs.New(errs.Unauthorized, "Incorrect username or password")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes.Equal(b.users[user], hash) { // the file may have changed while the hash was made
		b.known[user] = proof
	}
	return nil
}

func (b *Basic) proof(password []byte) []byte {
	m := hmac.New(sha256.New, b.key)
	m.Write(password)
	return m.Sum(nil)
}

// refresh reads the file if it is not what it was. A slip of an editor must not lock
// everybody out, and who was taken out is out. The caller has the lock.
func (b *Basic) refresh() {
	state := fileState(b.cfg.File)
	if state == b.state {
		return
	}
	users, named, err := readUsers(b.cfg.File)
	if err == nil {
		if b.wrong != "" {
			b.cfg.Log.Info("the file of users is good again", "file", b.cfg.File)
		}
		b.state, b.users, b.wrong = state, users, ""
		b.forget()
		return
	}
	var sys syscall.Errno
	if !errors.As(err, &sys) || sys == syscall.ENOENT {
		b.state = state // otherwise it is looked at again: descriptors that have run out come back
	}
	if named != nil {
		maps.DeleteFunc(b.users, func(user string, _ []byte) bool { return !named[user] })
		b.forget()
	}
	if text := err.Error(); text != b.wrong {
		b.wrong = text
		b.cfg.Log.Warn("the file of users cannot be used; of those of its last good contents stay whom it names, or all if it cannot be read", "error", err, "hint", errs.HintOf(err))
	}
}

// forget drops what was found out about the users before.
func (b *Basic) forget() {
	b.known = map[string][]byte{}
	for _, b.dummy = range b.users {
		break
	}
}

func fileState(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return "missing"
	}
	return version(st)
}

// version changes whenever the file's content, owner or mode may have.
func version(st os.FileInfo) string {
	sys, _ := st.Sys().(*syscall.Stat_t)
	if sys == nil {
		sys = &syscall.Stat_t{}
	}
	return fmt.Sprint(sys.Ino, st.Size(), st.ModTime().UnixNano(), sys.Ctim, sys.Uid, st.Mode())
}

// readUsers reads an htpasswd file that nobody else can read or change. With an error,
// named is whom the file names all the same; nil: it could not be read.
func readUsers(path string) (users map[string][]byte, named map[string]bool, err error) {
	f, err := OpenPrivate("the file of users", path)
	var missing *errs.Error
	if errors.Is(err, fs.ErrNotExist) && errors.As(err, &missing) {
		return nil, nil, missing.WithHint("make one: htpasswd -cB %s admin && chmod 600 %s", path, path)
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	users, named = map[string][]byte{}, map[string]bool{}
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for n := 1; lines.Scan(); n++ {
		entry := strings.TrimSpace(lines.Text())
		if entry == "" || entry[0] == '#' {
			continue
		}
		user, hash, _ := strings.Cut(entry, ":")
		if wrong := checkHash(user, hash, users); wrong != nil && err == nil {
			err = errs.Wrap(errs.Invalid, wrong, "%s:%d", path, n).WithHint("make the line anew: htpasswd -B %s USER", path)
		}
		users[user], named[user] = []byte(hash), true
	}
	if lines.Err() != nil {
		return nil, nil, errs.Wrap(errs.Invalid, lines.Err(), "%s cannot be read", path)
	}
	if len(users) == 0 {
		err = errs.New(errs.Invalid, "%s names no user, so that nobody can log in", path).WithHint("htpasswd -B %s admin", path)
	}
	return users, named, err
}

// checkHash looks at one line; its errors do not show the hash.
func checkHash(user, hash string, seen map[string][]byte) error {
	switch {
	case user == "" || hash == "":
		return errors.New("expected user:hash")
	case seen[user] != nil:
		return fmt.Errorf("user %s is there twice", user)
	case !strings.HasPrefix(hash, "$2y$") && !strings.HasPrefix(hash, "$2a$") && !strings.HasPrefix(hash, "$2b$"):
		return errs.New(errs.Invalid, "Only bcrypt digested passwords are supported for %s", user)
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != 60 {
		return fmt.Errorf("the hash of user %s is no whole bcrypt hash", user)
	}
	if cost > maxCost {
		return fmt.Errorf("the hash of user %s has cost %d, and each more than %d doubles what a stranger's request costs", user, cost, maxCost)
	}
	return nil
}
