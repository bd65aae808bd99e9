package api

import (
	"log/slog"
	"net/http"
	"testing"

	"trefoil/internal/errs/errstest"
)

func TestAFullDiskIsToldWithItsHint(t *testing.T) {
	errstest.FullDisk(t, func(log *slog.Logger) func(http.ResponseWriter, *http.Request, error) {
		return (&api{Config: Config{Log: log}}).fail
	})
}
