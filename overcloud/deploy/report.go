package deploy

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
	"trefoil/overcloud/stack"
)

// UndercloudReport is the name under which a report of the undercloud's own is asked for.
const UndercloudReport = "undercloud"

// reportCommand packs a node's logs; the secrets to mask come on standard input, and
// the archive goes out as lines of base64.
const reportCommand = "sudo /usr/local/bin/os-apply-config report"

// Reporter packs a node's logs into a tar.gz, with those secrets masked.
type Reporter interface {
	Report(ctx context.Context, n stack.Node, secrets []string, w io.Writer) error
}

// Report writes a tar.gz of what helps to find a fault: a machine's logs, or, for
// UndercloudReport, the stack's events and failures and the end of log. Secrets are
// masked. An error before the first byte is one of the request; NotFound names a
// machine that the stack does not have.
func (e *Engine) Report(ctx context.Context, s *stack.Stack, node string, log []byte, w io.Writer) error {
	nodes, err := e.Store.StackNodes(ctx, s.ID)
	if err != nil {
		return err
	}
	secrets, err := e.secrets(ctx, s)
	if err != nil {
		return err
	}
	if node == UndercloudReport {
		return e.ownReport(ctx, s, secrets, log, w)
	}
	i := slices.IndexFunc(nodes, func(n stack.Node) bool { return n.Name == node })
	if i < 0 {
		return errs.New(errs.NotFound, "stack %s has no machine %q", s.Name, node).WithHint("openstack server list shows them")
	}
	return e.Reporter.Report(ctx, nodes[i], secrets, w)
}

// secretLine is a line of an environment that gives a value to what its name calls a secret.
var secretLine = regexp.MustCompile(`(?im)^\s*["']?\w*(?:password|secret|key|token|credential)\w*["']?\s*:\s*(?:"([^"]+)"|'([^']+)'|([^\s"'{}\[\]#]+))`)

// secrets are the texts to mask. A stack that cannot be planned still has passwords, and
// its environments what their names call secrets.
func (e *Engine) secrets(ctx context.Context, s *stack.Stack) ([]string, error) {
	p, err := e.Plan(ctx, s.Whole())
	if err == nil {
		return stack.Secrets(p), nil
	}
	var out []string
	for _, name := range sortedKeys(s.Passwords) {
		out = append(out, s.Passwords[name])
	}
	for _, name := range s.Input.Environments {
		for _, m := range secretLine.FindAllStringSubmatch(s.Input.Files[name], -1) {
			out = append(out, m[1]+m[2]+m[3])
		}
	}
	return out, ctx.Err()
}

func (e *Engine) ownReport(ctx context.Context, s *stack.Stack, secrets []string, log []byte, w io.Writer) error {
	events, err := e.Store.Events(ctx, s.ID, 0, 0)
	if err != nil {
		return err
	}
	var lines strings.Builder
	for _, ev := range events {
		fmt.Fprintf(&lines, "%s [%s]: %s  %s\n", ev.Time.UTC().Format(time.RFC3339), strings.Trim(s.Name+"."+ev.Resource, "."), ev.Status, ev.Reason)
	}
	failures, err := json.MarshalIndent(s.Failures, "", "  ")
	if err != nil {
		return fmt.Errorf("encode failures: %w", err)
	}
	mask := masking(secrets)
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, f := range []struct{ name, text string }{{"events.txt", lines.String()}, {"failures.json", string(failures) + "\n"},
		{"status.txt", s.Status() + "  " + s.Reason + "\n"}, {"undercloud.log", string(log)}} {
		text := mask.Replace(f.text)
		if err := t.WriteHeader(&tar.Header{Name: f.name, Mode: 0o600, Size: int64(len(text)), ModTime: e.Now().UTC().Truncate(time.Second)}); err != nil {
			return fmt.Errorf("pack %s: %w", f.name, err)
		}
		if _, err := io.WriteString(t, text); err != nil {
			return fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// masking hides secrets in texts.
func masking(secrets []string) *strings.Replacer {
	secrets = slices.Clone(secrets)
	slices.SortStableFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may be the beginning of another
	var pairs []string
	for _, secret := range secrets {
		if secret != "" {
			pairs = append(pairs, secret, stack.Hidden)
		}
	}
	return strings.NewReplacer(pairs...)
}

// Report implements Reporter.
func (r *Remote) Report(ctx context.Context, n stack.Node, secrets []string, w io.Writer) error {
	body, err := json.Marshal(secrets)
	if err != nil {
		return fmt.Errorf("encode secrets: %w", err)
	}
	c, err := r.Dialer.Dial(ctx, target(n))
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "%s is unreachable", n.Name)
	}
	defer c.Close()
	var broken error
	err = c.Run(ctx, reportCommand, body, func(line []byte) {
		data := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
		k, err := base64.StdEncoding.Decode(data, line)
		if err == nil {
			_, err = w.Write(data[:k])
		}
		if broken == nil {
			broken = err
		}
	})
	if err == nil && broken != nil {
		err = fmt.Errorf("read the report of %s: %w", n.Name, broken)
	}
	return err
}
