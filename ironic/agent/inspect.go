package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"trefoil/ironic/agent/hints"
	"trefoil/ironic/agentapi"
)

// inspect collects the inventory once and posts it until it is taken. A refusal
// (4xx) may be a node that is not yet waiting, so it is tried again too, for five minutes.
func (a *Agent) inspect(ctx context.Context) error {
	a.cfg.Log.Info("phase: inspection")
	data := a.inspectionData()
	a.cfg.Log.Info("inventory", "cpus", data.Inventory.CPU.Count, "memory_mb", data.Inventory.Memory.PhysicalMB,
		"disks", len(data.Inventory.Disks), "interfaces", len(data.Inventory.Interfaces))
	deadline := time.Now().Add(5 * time.Minute)
	for pause := time.Second; ; pause = min(pause*2, 20*time.Second) {
		body, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("encode inventory: %w", err)
		}
		refused, err := a.postInventory(ctx, body)
		if err == nil {
			a.cfg.Log.Info("phase: inventory delivered")
			return nil
		}
		if refused && time.Now().After(deadline) {
			return fmt.Errorf("inventory refused for five minutes: %w", err)
		}
		a.cfg.Log.Warn("inventory not delivered", "error", err, "again_in", pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (a *Agent) inspectionData() agentapi.InspectionData {
	inv := a.cfg.Hardware.Inventory()
	data := agentapi.InspectionData{Inventory: inv, Configuration: map[string]any{"collectors": []string{"default", "logs"}, "managers": []any{
		map[string]any{"name": "TrefoilHardwareManager", "version": "1"}}}}
	if root, err := hints.Choose(inv.Disks, nil, nil); err == nil {
		data.RootDisk = root
	}
	if mac := inv.Boot.PXEInterface; mac != "" {
		data.BootInterface = "01-" + strings.ReplaceAll(mac, ":", "-")
	}
	if logs, err := a.logArchive(); err == nil {
		data.Logs = logs
	}
	return data
}

func (a *Agent) postInventory(ctx context.Context, body []byte) (refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.cfg.InspectURL, bytes.NewReader(body))
	if err != nil {
		return true, fmt.Errorf("post inventory: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-OpenStack-Ironic-API-Version", "1.84") // where continue_inspection came
	resp, err := a.cfg.HTTP.Do(req)
	if err != nil {
		return false, fmt.Errorf("post inventory: %w", err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	if resp.StatusCode/100 == 2 {
		return false, nil
	}
	return resp.StatusCode/100 == 4, fmt.Errorf("post inventory to %s: %s: %s", a.cfg.InspectURL, resp.Status, strings.TrimSpace(string(text)))
}

// logArchive is base64 of a tar.gz with the log so far.
func (a *Agent) logArchive() (string, error) {
	if a.cfg.LogTail == nil {
		return "", errors.New("no log is kept")
	}
	text := a.cfg.LogTail()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	if err := tw.WriteHeader(&tar.Header{Name: "journal", Mode: 0o644, Size: int64(len(text)), ModTime: time.Now()}); err != nil {
		return "", fmt.Errorf("pack logs: %w", err)
	}
	_, err := tw.Write(text)
	if err = errors.Join(err, tw.Close(), gz.Close()); err != nil {
		return "", fmt.Errorf("pack logs: %w", err)
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes()), nil
}
