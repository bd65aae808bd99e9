package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

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
