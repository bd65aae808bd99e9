// Package tftp hands the two iPXE programs to firmware that speaks nothing
// better. It reads, never writes, and knows no other names.
package tftp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	pintftp "github.com/pin/tftp/v3"
)

// DebianDir is where Debian's package ipxe puts its programs.
const DebianDir = "/usr/lib/ipxe"

// Files are the names that are served.
func Files() []string { return []string{"undionly.kpxe", "snponly.efi", "ipxe.efi"} }

// Config says where to listen and what to serve.
type Config struct {
	Addr netip.AddrPort // the ctlplane address, port 69
	Dir  string         // default DebianDir
	Log  *slog.Logger
}

// Serve answers until ctx ends, then returns nil.
func Serve(ctx context.Context, cfg Config) error {
	if cfg.Dir == "" {
		cfg.Dir = DebianDir
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(cfg.Addr))
	if err != nil {
		return fmt.Errorf("listen for tftp on %s: %w", cfg.Addr, err)
	}
	return serve(ctx, cfg, conn)
}

func serve(ctx context.Context, cfg Config, conn *net.UDPConn) error {
	srv := pintftp.NewServer(cfg.read, nil)
	srv.SetTimeout(3 * time.Second)
	srv.SetRetries(5)
	// Old firmware loses fragments: a block fits a frame of 1500 bytes.
	srv.SetBlockSize(1428)
	stop := context.AfterFunc(ctx, srv.Shutdown)
	defer stop()
	if err := srv.Serve(conn); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve tftp on %s: %w", conn.LocalAddr(), err)
	}
	return nil
}

func (cfg Config) read(name string, rf io.ReaderFrom) error {
	base := path.Base(path.Clean("/" + name))
	var peer string
	if t, ok := rf.(pintftp.OutgoingTransfer); ok {
		addr := t.RemoteAddr()
		peer = addr.String()
	}
	if !slices.Contains(Files(), base) {
		cfg.Log.Warn("tftp refused", "file", name, "peer", peer)
		return fmt.Errorf("file not found")
	}
	f, err := os.Open(filepath.Join(cfg.Dir, base))
	if err != nil {
		cfg.Log.Error("tftp cannot serve: is the package ipxe installed?", "file", base, "error", err)
		return fmt.Errorf("file not found")
	}
	defer f.Close()
	if t, ok := rf.(pintftp.OutgoingTransfer); ok {
		if st, err := f.Stat(); err == nil {
			t.SetSize(st.Size())
		}
	}
	n, err := rf.ReadFrom(f)
	if err != nil {
		// PXE firmware asks for the size first and aborts; that is no fault.
		cfg.Log.Debug("tftp transfer ended early", "file", base, "peer", peer, "error", err)
		return err
	}
	cfg.Log.Info("tftp sent", "file", base, "peer", peer, "bytes", n)
	return nil
}
