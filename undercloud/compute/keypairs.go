package compute

import (
	"crypto/md5" //nolint:gosec // Nova's fingerprint; not used for security
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
)

func (s *Service) keypairRoutes(mux *http.ServeMux) {
	s.route(mux, "GET /v2.1/os-keypairs", func(w http.ResponseWriter, r *http.Request) error {
		all, err := s.cfg.Store.Keypairs(r.Context())
		out := []any{}
		for _, k := range all {
			out = append(out, map[string]any{"keypair": map[string]any{
				"name": k.Name, "public_key": k.PublicKey, "fingerprint": k.Fingerprint}})
		}
		if err == nil {
			writeJSON(w, http.StatusOK, map[string]any{"keypairs": out})
		}
		return err
	})
	s.route(mux, "GET /v2.1/os-keypairs/{name}", s.showKeypair)
	s.route(mux, "POST /v2.1/os-keypairs", s.createKeypair)
	s.route(mux, "DELETE /v2.1/os-keypairs/{name}", func(w http.ResponseWriter, r *http.Request) error {
		if err := s.cfg.Store.DeleteKeypair(r.Context(), r.PathValue("name")); err != nil {
			return err
		}
		w.WriteHeader(http.StatusAccepted)
		return nil
	})
}

func (s *Service) showKeypair(w http.ResponseWriter, r *http.Request) error {
	all, err := s.cfg.Store.Keypairs(r.Context())
	if err != nil {
		return err
	}
	for i, k := range all {
		if k.Name == r.PathValue("name") {
			writeJSON(w, http.StatusOK, map[string]any{"keypair": map[string]any{"id": i + 1, "name": k.Name,
				"public_key": k.PublicKey, "fingerprint": k.Fingerprint, "user_id": k.UserID, "deleted": false,
				"created_at": k.CreatedAt.Format(time.RFC3339), "updated_at": nil, "deleted_at": nil}})
			return nil
		}
	}
	return errs.New(errs.NotFound, "Keypair %s not found for user %s", r.PathValue("name"), caller(r).UserID)
}

func (s *Service) createKeypair(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Keypair struct {
			Name      string `json:"name"`
			PublicKey string `json:"public_key"`
		} `json:"keypair"`
	}
	if err := jsonbody.Object(r, maxBody, &body); err != nil {
		return err
	}
	a := body.Keypair
	if a.Name == "" || a.PublicKey == "" {
		return errs.New(errs.Invalid, "Invalid input for keypair: name and public_key are required; make the key with ssh-keygen")
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(a.PublicKey))
	if err != nil {
		return errs.New(errs.Invalid, "Keypair data is invalid: public_key is not an OpenSSH public key")
	}
	k := &Keypair{Name: a.Name, PublicKey: strings.TrimSpace(a.PublicKey), Fingerprint: fingerprint(key), Type: "ssh",
		UserID: caller(r).UserID, CreatedAt: s.cfg.Now().UTC()}
	if err := s.cfg.Store.CreateKeypair(r.Context(), k); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"keypair": map[string]any{"name": k.Name, "public_key": k.PublicKey,
		"fingerprint": k.Fingerprint, "user_id": k.UserID}})
	return nil
}

func fingerprint(key ssh.PublicKey) string {
	sum := md5.Sum(key.Marshal()) //nolint:gosec // see the import
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(parts, ":")
}
