// Package agentclient talks to the agent in a ramdisk: it sends commands and
// asks how they stand. The agent's token travels in the query, as
// ironic-python-agent wants it, and never appears in an error.
package agentclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic/agentapi"
)

// Target is one agent.
type Target struct {
	URL      string // callback_url of its heartbeat
	Token    string
	VerifyCA string // PEM certificate it showed with its heartbeat; empty for http
}

// Client sends commands. The zero value is ready; it is safe for concurrent use.
type Client struct {
	Timeout time.Duration // of one request; 0: 60 s
	Tries   int           // of one request that got no answer; 0: 3
	Pause   time.Duration // between tries; 0: 1 s
}

// maxAnswer bounds what is read of an agent's answer.
const maxAnswer = 16 << 20

// Run sends a command. With wait the answer comes when it has ended; without,
// at once with status RUNNING. Conflict: the agent is busy with another one.
func (c *Client) Run(ctx context.Context, t Target, cmd agentapi.Command, wait bool) (*agentapi.CommandStatus, error) {
	body, err := json.Marshal(cmd)
	if err != nil {
		return nil, fmt.Errorf("encode command %s: %w", cmd.Name, err)
	}
	var out agentapi.CommandStatus
	path := fmt.Sprintf("/v1/commands/?wait=%t&agent_token=%s", wait, url.QueryEscape(t.Token))
	// A command is not repeated blindly: the caller looks at Commands after a lost answer.
	if err := c.once(ctx, t, http.MethodPost, path, body, &out); err != nil {
		return nil, fmt.Errorf("command %s: %w", cmd.Name, err)
	}
	return &out, nil
}

// Commands lists what the agent has done since it started, oldest first.
func (c *Client) Commands(ctx context.Context, t Target) ([]agentapi.CommandStatus, error) {
	var out agentapi.Commands
	path := "/v1/commands/?agent_token=" + url.QueryEscape(t.Token)
	var err error
	for try := range c.tries() {
		if try > 0 {
			if err := sleep(ctx, c.pause()); err != nil {
				return nil, err
			}
		}
		if err = c.once(ctx, t, http.MethodGet, path, nil, &out); err == nil || !errs.Is(err, errs.Unavailable) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list commands: %w", err)
	}
	return out.Commands, nil
}

func (c *Client) tries() int {
	if c.Tries > 0 {
		return c.Tries
	}
	return 3
}

func (c *Client) pause() time.Duration {
	if c.Pause > 0 {
		return c.Pause
	}
	return time.Second
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

func (c *Client) once(ctx context.Context, t Target, method, path string, body []byte, out any) error {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	base := strings.TrimRight(t.URL, "/")
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return errs.New(errs.Invalid, "the agent's address %q is no URL", t.URL)
	}
	req.Header.Set("Content-Type", "application/json")
	tr, err := transport(t)
	if err != nil {
		return err
	}
	defer tr.CloseIdleConnections()
	// An agent answers itself: a redirect could send the undercloud anywhere.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := (&http.Client{Transport: tr, CheckRedirect: stay}).Do(req)
	if err != nil {
		return errs.Wrap(errs.Unavailable, withoutURL(err), "the agent at %s does not answer", base)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "the agent at %s broke off its answer", base)
	}
	if resp.StatusCode/100 != 2 {
		return refusal(base, resp.StatusCode, b)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("decode the answer of the agent at %s: %w", base, err)
	}
	return nil
}

// withoutURL drops the request's URL, which holds the token, from an error of net/http.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// refusal makes an error of an answer that is no success.
func refusal(base string, status int, body []byte) error {
	var fault struct {
		FaultString string `json:"faultstring"`
		Details     string `json:"details"`
	}
	text := http.StatusText(status)
	if json.Unmarshal(body, &fault) == nil && fault.FaultString+fault.Details != "" {
		text = strings.TrimSpace(fault.FaultString + " " + fault.Details)
	}
	code := errs.Internal
	switch {
	case status == http.StatusConflict:
		code = errs.Conflict
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		code = errs.Unauthorized
	case status >= 400 && status < 500:
		code = errs.Invalid
	}
	return errs.New(code, "the agent at %s refused: %s (HTTP %d)", base, text, status)
}

// transport trusts only the certificate that the agent itself announced.
func transport(t Target) (*http.Transport, error) {
	tr := &http.Transport{DisableKeepAlives: true}
	if t.VerifyCA == "" {
		return tr, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(t.VerifyCA)) {
		return nil, errs.New(errs.Invalid, "the certificate announced by the agent at %s is no PEM", t.URL)
	}
	tr.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return tr, nil
}
