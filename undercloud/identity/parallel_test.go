package identity

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

const sides = 24 // a hash takes long

// sideBySide asks so many times at once and counts the answers that have the words.
func sideBySide(ask func() *httptest.ResponseRecorder, words string) (count int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	begin := make(chan struct{})
	for range sides {
		wg.Go(func() {
			<-begin
			if text := ask().Body.String(); strings.Contains(text, words) {
				mu.Lock()
				defer mu.Unlock()
				count++
			}
		})
	}
	close(begin)
	wg.Wait()
	return count
}

// Whoever guesses side by side learns of no more passwords than one by one; who knows the password may ask
// as often at once as he likes.
func TestGuessingSideBySideIsSlowedDown(t *testing.T) {
	basic, _, _, _ := basicWorld(t, "admin:"+hashOf(t, "right"), "bob:"+hashOf(t, "b"))
	s, _ := testService(t)
	w := newTown(t)
	for name, c := range map[string]struct {
		right, wrong     func() *httptest.ResponseRecorder
		welcome, refused string
	}{
		"http_basic": {func() *httptest.ResponseRecorder { return basic(basicHeader("admin", "right")) },
			func() *httptest.ResponseRecorder { return basic(basicHeader("bob", "guess")) }, "hello admin", "Incorrect username or password"},
		"user of the configuration": {func() *httptest.ResponseRecorder { return login(s, "s3cret", adminScope) },
			func() *httptest.ResponseRecorder { return login(s, "guess", adminScope) }, `"token"`, "requires authentication"},
		"user who was made": {func() *httptest.ResponseRecorder { return entry(w, "bob's") },
			func() *httptest.ResponseRecorder { return entry(w, "guess") }, `"token"`, "requires authentication"},
	} {
		if got := sideBySide(c.right, c.welcome); got != sides {
			t.Errorf("%s: %d of %d right logins side by side were let in", name, got, sides)
		}
		if got := sideBySide(c.wrong, c.refused); got != maxFailures {
			t.Errorf("%s: %d of %d guesses side by side were answered, expected %d", name, got, sides, maxFailures)
		}
	}
}

func entry(w *town, password string) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	_, text := w.enter("bob", password, "alpha")
	out.WriteString(text)
	return out
}
