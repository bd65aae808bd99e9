package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"trefoil/internal/errs"
)

// claims is what a token says. Names are short: a token travels with every request.
type claims struct {
	User     string   `json:"u"`
	Project  string   `json:"p,omitempty"`
	Domain   string   `json:"d,omitempty"`
	System   bool     `json:"s,omitempty"`
	Methods  []string `json:"m"`
	IssuedAt int64    `json:"i"` // seconds
	Expires  int64    `json:"e"`
	Audit    string   `json:"a"`
}

func (c claims) expires() time.Time { return time.Unix(c.Expires, 0).UTC() }

const tokenPrefix = "tfl1."

// sign makes the token's text: prefix, claims and signature in base64.
func (s *Service) sign(c claims) (string, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	body := base64.RawURLEncoding.EncodeToString(data)
	return tokenPrefix + body + "." + s.signature(body), nil
}

func (s *Service) signature(body string) string {
	return base64.RawURLEncoding.EncodeToString(s.signing.MAC([]byte(body)))
}

// parse checks signature and expiry, and that the token still stands for something.
func (s *Service) parse(text string) (session, error) {
	var c claims
	bad := errs.New(errs.Unauthorized, "The request you have made requires authentication.")
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	body, sig, ok2 := strings.Cut(rest, ".")
	// The texts are compared, not the bytes: base64 has several texts for the same
	// bytes, and a revoked token must not live on under another one.
	if !ok || !ok2 || !hmac.Equal([]byte(sig), []byte(s.signature(body))) {
		return session{}, bad
	}
	data, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(data, &c) != nil {
		return session{}, bad
	}
	out, ok := s.resolve(c)
	if !ok || !s.cfg.Now().Before(c.expires()) {
		return session{}, bad
	}
	return out, nil
}

// check is parse plus the list of revoked tokens.
func (s *Service) check(ctx context.Context, text string) (session, error) {
	c, err := s.parse(text)
	if err != nil {
		return c, err
	}
	gone, err := s.cfg.Revocations.Revoked(ctx, tokenID(text))
	if err != nil {
		return c, fmt.Errorf("check revoked tokens: %w", err)
	}
	if gone {
		return c, errs.New(errs.Unauthorized, "The request you have made requires authentication.")
	}
	return c, nil
}

// tokenID names a token in the list of revoked ones without being one.
func tokenID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (s *Service) audit() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

const stamp = "2006-01-02T15:04:05.000000Z"

func domainRef() map[string]any { return map[string]any{"id": DomainID, "name": DomainName} }

// body is the token as Keystone's API shows it.
func (s *Service) body(c session) map[string]any {
	t := map[string]any{
		"methods": c.Methods, "audit_ids": []string{c.Audit},
		"issued_at":  time.Unix(c.IssuedAt, 0).UTC().Format(stamp),
		"expires_at": c.expires().Format(stamp),
		"user": map[string]any{"id": c.user.ID, "name": c.user.Name, "domain": domainRef(),
			"password_expires_at": nil},
	}
	switch {
	case c.project != nil:
		t["project"] = map[string]any{"id": c.project.ID, "name": c.project.Name, "domain": domainRef()}
		t["is_domain"] = false
	case c.Domain != "":
		t["domain"] = domainRef()
	case c.System:
		t["system"] = map[string]any{"all": true}
	default:
		return t // unscoped: no roles, no catalog
	}
	var roles []map[string]any
	for _, r := range s.roles {
		if slices.Contains(c.roles, r.Name) {
			roles = append(roles, map[string]any{"id": r.ID, "name": r.Name})
		}
	}
	t["roles"] = roles
	t["catalog"] = s.tokenCatalog(c.Project)
	return t
}

func (s *Service) tokenCatalog(projectID string) []map[string]any {
	out := []map[string]any{}
	for _, e := range s.catalog {
		if projectID == "" && strings.Contains(e.url, "%(project_id)s") {
			continue // Keystone, too, leaves out what it cannot fill in
		}
		var eps []map[string]any
		for _, iface := range interfaces() {
			eps = append(eps, map[string]any{"id": s.id("endpoint", e.typ+"/"+iface), "interface": iface,
				"region": s.cfg.Region, "region_id": s.cfg.Region,
				"url": strings.ReplaceAll(e.at(iface), "%(project_id)s", projectID)})
		}
		out = append(out, map[string]any{"id": e.ID, "type": e.typ, "name": e.Name, "endpoints": eps})
	}
	return out
}

const public = "public"

func interfaces() []string { return []string{public, "internal", "admin"} }
