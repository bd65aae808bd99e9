// Package errstest has what the tests of several services ask of how they tell errors.
package errstest

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"trefoil/internal/errs"
)

// FullDisk holds a service to what it must tell of a full disk: 503 and what to do to who
// asked, and the reason to its log. service makes how it fails, with that log.
func FullDisk(t *testing.T, service func(*slog.Logger) func(http.ResponseWriter, *http.Request, error)) {
	t.Helper()
	var log bytes.Buffer
	w := httptest.NewRecorder()
	service(slog.New(slog.NewTextHandler(&log, nil)))(w, httptest.NewRequest("POST", "/x", nil), errs.NoSpace(syscall.ENOSPC))
	if body := w.Body.String(); w.Code != http.StatusServiceUnavailable || !strings.Contains(body, "disk is full") || !strings.Contains(body, "df -h") {
		t.Errorf("%d %s", w.Code, body)
	}
	if !strings.Contains(log.String(), "disk is full") {
		t.Errorf("the log: %q", log.String())
	}
}
