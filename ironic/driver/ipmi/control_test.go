package ipmi

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bougou/go-ipmi/pkg/handlers"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/types"
)

func TestAnNMIIsTheDiagnosticInterrupt(t *testing.T) {
	var control atomic.Int64
	reg := handlers.NewRegistry()
	handlers.RegisterAllHandlers(reg)
	reg.RegisterFunc(types.CommandChassisControl, func(_ context.Context, _ *handlers.HandlerContext, req []byte) ([]byte, types.CompletionCode, error) {
		control.Store(int64(req[0]))
		return nil, types.CodeOK, nil
	})
	d, b := quick(), startBMC(t, 0, server.WithHandlerRegistry(reg))
	if err := d.InjectNMI(t.Context(), node(float64(b.port))); err != nil {
		t.Fatal(err)
	}
	if got := control.Load(); got != 4 { // IPMI 2.0, table 28-4
		t.Errorf("chassis control %d", got)
	}
}

func TestABMCWithoutNMISaysSo(t *testing.T) {
	d, b := quick(), startBMC(t, 0) // go-ipmi's own server knows no interrupt
	if err := d.InjectNMI(t.Context(), node(float64(b.port))); err == nil || !strings.Contains(err.Error(), "NMI") {
		t.Errorf("%v", err)
	}
}
