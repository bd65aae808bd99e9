package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
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
	req := httptest.NewRequestWithContext(b.Context(), "GET", path, nil) // it may be cancelled, as those of clients
	req.Header.Set("X-OpenStack-Ironic-API-Version", "1.82")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != 200 {
		b.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
}

func BenchmarkListThousandNodesInDetail(b *testing.B) {
	h := benchAPI(b, 1000)
	defer cpu(b)()
	for b.Loop() {
		get(b, h, "/v1/nodes?detail=true")
	}
}

func BenchmarkGetNode(b *testing.B) {
	h := benchAPI(b, 1000)
	b.ResetTimer()
	defer cpu(b)()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			get(b, h, "/v1/nodes/00000000-0000-4000-8000-000000000500")
		}
	})
}

// BenchmarkGetNodeOverHTTP is the same with net/http and eight clients, whose cost is in it.
func BenchmarkGetNodeOverHTTP(b *testing.B) {
	srv := httptest.NewServer(benchAPI(b, 1000))
	defer srv.Close()
	request := []byte("GET /v1/nodes/00000000-0000-4000-8000-000000000500 HTTP/1.1\r\nHost: bench\r\nX-OpenStack-Ironic-API-Version: 1.82\r\n\r\n")
	b.ResetTimer()
	defer cpu(b)()
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			r := bufio.NewReaderSize(conn, 16<<10)
			for range b.N/8 + 1 {
				if _, err := conn.Write(request); err != nil {
					b.Error(err)
					return
				}
				resp, err := http.ReadResponse(r, nil)
				if err != nil || resp.StatusCode != 200 {
					b.Errorf("%v %v", resp, err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
			}
		})
	}
	clients.Wait()
}

// cpu reports the processor time of an operation from here until what it returns is called: that
// stays what it is while the machine does other things besides.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	began := used()
	return func() { b.ReportMetric(float64(used()-began)/1e3/float64(b.N), "cpu-µs/op") }
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
