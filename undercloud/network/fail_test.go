package network

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"trefoil/internal/errs"
)

// Whoever meets a full disk is told what to do, and the log has it, too.
func TestAFullDiskIsToldWithItsHint(t *testing.T) {
	var log bytes.Buffer
	w := httptest.NewRecorder()
	s := &Service{cfg: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	s.fail(w, httptest.NewRequest("POST", "/x", nil), errs.NoSpace(syscall.ENOSPC))
	if body := w.Body.String(); w.Code != 503 || !strings.Contains(body, "disk is full") || !strings.Contains(body, "df -h") {
		t.Errorf("%d %s", w.Code, body)
	}
	if !strings.Contains(log.String(), "disk is full") {
		t.Errorf("the log: %q", log.String())
	}
}
