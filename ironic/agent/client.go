package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"trefoil/ironic/agentapi"
)

// callTimeout bounds one small call to the API.
const callTimeout = 30 * time.Second

// apiClient speaks the three calls of the bare-metal API that agents use.
type apiClient struct {
	http  *http.Client
	bases []string

	mu      sync.Mutex
	current int    // index of the base that answered last
	version string // microversion to send, "" until asked
}

func (c *apiClient) base() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.TrimSuffix(strings.TrimSuffix(c.bases[c.current], "/"), "/v1")
}

func (c *apiClient) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.version = (c.current+1)%len(c.bases), ""
}

// lookup is GET /v1/lookup.
func (c *apiClient) lookup(ctx context.Context, macs []string) (*agentapi.Lookup, error) {
	var out agentapi.Lookup
	q := url.Values{"addresses": {strings.Join(macs, ",")}}
	if err := c.call(ctx, http.MethodGet, "/v1/lookup?"+q.Encode(), nil, &out); err != nil {
		return nil, err
	}
	if out.Node.UUID == "" {
		return nil, fmt.Errorf("lookup at %s: the answer names no node", c.base())
	}
	return &out, nil
}

// heartbeat is POST /v1/heartbeat/{node}. Fields that an old server does not know are left out.
func (c *apiClient) heartbeat(ctx context.Context, node string, hb agentapi.Heartbeat) error {
	minor := c.minor(ctx)
	if minor < 72 {
		hb.AgentStatus, hb.AgentStatusMessage = "", ""
	}
	if minor < 36 {
		hb.AgentVersion = ""
	}
	return c.call(ctx, http.MethodPost, "/v1/heartbeat/"+url.PathEscape(node), hb, nil)
}

// minor is the microversion we send: the server's newest, but no newer than
// 1.72, where agent_status came.
func (c *apiClient) minor(ctx context.Context) int {
	c.mu.Lock()
	v := c.version
	c.mu.Unlock()
	if v == "" {
		v = c.negotiate(ctx)
	}
	_, minor, _ := strings.Cut(v, ".")
	n, _ := strconv.Atoi(minor)
	return n
}

func (c *apiClient) negotiate(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	version := "1.22" // the oldest with lookup and heartbeat
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base()+"/v1", nil)
	if err != nil {
		return version
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return version
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	_, minor, _ := strings.Cut(resp.Header.Get("X-OpenStack-Ironic-API-Maximum-Version"), ".")
	if n, err := strconv.Atoi(minor); err == nil {
		version = "1." + strconv.Itoa(min(n, 72))
		c.mu.Lock()
		c.version = version
		c.mu.Unlock()
	}
	return version
}

func (c *apiClient) call(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var rd io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		rd = bytes.NewReader(data)
	}
	minor := c.minor(ctx)
	req, err := http.NewRequestWithContext(ctx, method, c.base()+path, rd)
	if err != nil {
		return fmt.Errorf("call the bare-metal API: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-OpenStack-Ironic-API-Version", "1."+strconv.Itoa(minor))
	resp, err := c.http.Do(req)
	if err != nil {
		c.next()
		return fmt.Errorf("call the bare-metal API: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("read the answer of the bare-metal API: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		path, _, _ = strings.Cut(path, "?")
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(data[:min(len(data), 500)])))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("decode the answer of the bare-metal API: %w", err)
	}
	return nil
}
