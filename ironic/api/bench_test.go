package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"trefoil/ironic"
	"trefoil/ironic/api"
	"trefoil/ironic/api/apitest"
	"trefoil/undercloud/store/sqlite"
)

// benchAPI is the API over SQLite with n nodes.
func benchAPI(b *testing.B, n int) http.Handler {
	b.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	conductor := apitest.NewConductor(apitest.NewStore())
	for i := range n {
		node := &ironic.Node{UUID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Name: fmt.Sprintf("bm-%04d", i),
			Driver: "ipmi", ProvisionState: "available", ResourceClass: "baremetal",
			DriverInfo: map[string]any{"ipmi_address": "10.0.0.1", "ipmi_password": "x"},
			Properties: map[string]any{"cpus": 4, "memory_mb": 8192, "local_gb": 100, "cpu_arch": "x86_64"}}
		if err := conductor.CheckCreate(context.Background(), node); err != nil {
			b.Fatal(err)
		}
		if err := db.CreateNode(context.Background(), node); err != nil {
			b.Fatal(err)
		}
	}
	return api.New(api.Config{Store: db, Conductor: conductor, Log: slog.New(slog.DiscardHandler)})
}

func get(b *testing.B, h http.Handler, path string) {
	req := httptest.NewRequest("GET", path, nil)
	req.Header.Set("X-OpenStack-Ironic-API-Version", "1.82")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != 200 {
		b.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
}

func BenchmarkListThousandNodesInDetail(b *testing.B) {
	h := benchAPI(b, 1000)
	b.ResetTimer()
	for b.Loop() {
		get(b, h, "/v1/nodes?detail=true")
	}
}

func BenchmarkGetNode(b *testing.B) {
	h := benchAPI(b, 1000)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			get(b, h, "/v1/nodes/00000000-0000-4000-8000-000000000500")
		}
	})
}

func BenchmarkCreateNode(b *testing.B) {
	h := benchAPI(b, 10)
	for i := 0; b.Loop(); i++ {
		body := fmt.Sprintf(`{"uuid":"00000000-0000-4000-9000-%012d","name":"new-%d","driver":"ipmi","driver_info":{"ipmi_address":"192.0.2.7","ipmi_username":"admin"},
"properties":{"cpus":4,"memory_mb":8192,"local_gb":100,"cpu_arch":"x86_64","capabilities":"profile:compute,boot_option:local"}}`, i, i)
		req := httptest.NewRequest("POST", "/v1/nodes", strings.NewReader(body))
		req.Header.Set("X-OpenStack-Ironic-API-Version", "1.82")
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != 201 {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
