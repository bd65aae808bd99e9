package tftp

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	pintftp "github.com/pin/tftp/v3"
)

func TestServesTheLoadersAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"undionly.kpxe": "loader", "secret": "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, Config{Dir: dir, Log: slog.New(slog.DiscardHandler)}, conn) }()
	client, err := pintftp.NewClient(conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string) (string, error) {
		wt, err := client.Receive(name, "octet")
		if err != nil {
			return "", err
		}
		var b bytes.Buffer
		_, err = wt.WriteTo(&b)
		return b.String(), err
	}
	for _, name := range []string{"undionly.kpxe", "/undionly.kpxe", "sub/dir/undionly.kpxe"} {
		if got, err := get(name); err != nil || got != "loader" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"secret", "../secret", "/etc/passwd", "snponly.efi", ""} {
		if got, err := get(name); err == nil {
			t.Errorf("%s was served: %q", name, got)
		}
	}
	if _, err := client.Send("undionly.kpxe", "octet"); err == nil {
		t.Error("a write was accepted")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
}
