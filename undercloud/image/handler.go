package image

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"trefoil/internal/baseurl"
	"trefoil/internal/errs"
	"trefoil/internal/jsonbody"
	"trefoil/undercloud/identity"
)

const maxBody = 1 << 20

// Handler returns the image API. The caller guards it with identity.Middleware
// (open paths: "/", "/versions").
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.versions(http.StatusMultipleChoices))
	mux.HandleFunc("GET /versions", s.versions(http.StatusOK))
	mux.HandleFunc("GET /v2/schemas/image", s.schemaOne)
	mux.HandleFunc("GET /v2/schemas/images", s.schemaMany)
	s.route(mux, "GET /v2/images", s.list)
	s.route(mux, "POST /v2/images", s.create)
	s.route(mux, "GET /v2/images/{id}", s.show)
	s.route(mux, "PATCH /v2/images/{id}", s.patch)
	s.route(mux, "DELETE /v2/images/{id}", s.remove)
	s.route(mux, "PUT /v2/images/{id}/file", s.putFile)
	s.route(mux, "GET /v2/images/{id}/file", s.getFile)
	s.route(mux, "PUT /v2/images/{id}/tags/{tag}", s.tag(true))
	s.route(mux, "DELETE /v2/images/{id}/tags/{tag}", s.tag(false))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, errs.New(errs.NotFound, "The resource could not be found."))
	})
	return mux
}

func (s *Service) route(mux *http.ServeMux, pattern string, h func(http.ResponseWriter, *http.Request) error) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Service) versions(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var out []any
		for minor := 7; minor >= 0; minor-- {
			st := "SUPPORTED"
			if minor == 7 {
				st = "CURRENT"
			}
			out = append(out, map[string]any{"id": "v2." + strconv.Itoa(minor), "status": st,
				"links": []any{map[string]any{"rel": "self", "href": baseurl.Of(r) + "/v2/"}}})
		}
		writeJSON(w, status, map[string]any{"versions": out})
	}
}

func (s *Service) create(w http.ResponseWriter, r *http.Request) error {
	var body map[string]any
	if err := jsonbody.Object(r, maxBody, &body); err != nil {
		return err
	}
	now := s.cfg.Now().UTC()
	i := &Image{ID: s.cfg.NewID(), Status: Queued, Visibility: "shared", Tags: []string{},
		Properties: map[string]string{}, CreatedAt: now, UpdatedAt: now}
	if who, ok := identity.FromContext(r.Context()); ok {
		i.Owner = who.ProjectID
	}
	for _, key := range slices.Sorted(mapKeys(body)) {
		if err := i.set(key, body[key], true); err != nil {
			return err
		}
	}
	if err := i.check(); err != nil {
		return err
	}
	if err := s.cfg.Store.CreateImage(r.Context(), i); err != nil {
		return err
	}
	w.Header().Set("Location", baseurl.Of(r)+"/v2/images/"+i.ID)
	writeJSON(w, http.StatusCreated, i.view())
	return nil
}

// get finds the image of the path. A wrong id is a 404, as in Glance: clients
// try a name as an id first.
func (s *Service) get(r *http.Request) (*Image, error) {
	id := r.PathValue("id")
	if uuid.Validate(id) != nil {
		return nil, notFound(id)
	}
	i, err := s.cfg.Store.Image(r.Context(), id)
	if errs.Is(err, errs.NotFound) {
		return nil, notFound(id)
	}
	return i, err
}

func notFound(id string) error {
	return errs.New(errs.NotFound, "No image found with ID %s", id)
}

func (s *Service) show(w http.ResponseWriter, r *http.Request) error {
	i, err := s.get(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, i.view())
	return nil
}

func (s *Service) remove(w http.ResponseWriter, r *http.Request) error {
	i, err := s.get(r)
	if err != nil {
		return err
	}
	if err := s.delete(r.Context(), i.ID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Service) putFile(w http.ResponseWriter, r *http.Request) error {
	i, err := s.get(r)
	if err != nil {
		return err
	}
	if r.ContentLength > 0 {
		// A client that dies must not leave a short image that looks whole.
		r.Body = io.NopCloser(&exactly{r: r.Body, want: r.ContentLength})
	}
	if err := s.save(r.Context(), i.ID, r.Body); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// exactly fails when the stream ends before want bytes came.
type exactly struct {
	r    io.Reader
	want int64
}

// Read implements io.Reader.
func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.want -= int64(n)
	if errors.Is(err, io.EOF) && e.want > 0 {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *Service) getFile(w http.ResponseWriter, r *http.Request) error {
	i, err := s.get(r)
	if err != nil {
		return err
	}
	if i.Status != Active {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	f, err := os.Open(s.path(i.ID))
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Md5", i.MD5)
	http.ServeContent(w, r, "", i.UpdatedAt, f)
	return nil
}

func (s *Service) tag(add bool) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		i, err := s.get(r)
		if err != nil {
			return err
		}
		tag := r.PathValue("tag")
		_, err = s.cfg.Store.UpdateImage(r.Context(), i.ID, func(i *Image) error {
			i.Tags = slices.DeleteFunc(i.Tags, func(t string) bool { return t == tag })
			if add {
				i.Tags = append(i.Tags, tag)
			}
			return nil
		})
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// fail answers as Glance does: a page of text with the sentence in it.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	code := errs.HTTPStatus(errs.CodeOf(err))
	msg := err.Error()
	if hint := errs.HintOf(err); hint != "" {
		msg += " (" + hint + ")"
	}
	if code >= http.StatusInternalServerError {
		s.cfg.Log.Error("image request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if code == http.StatusInternalServerError {
		msg = "The server has either erred or is incapable of performing the requested operation."
	}
	title := strconv.Itoa(code) + " " + http.StatusText(code)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		writeJSON(w, code, map[string]any{"code": title, "title": http.StatusText(code), "message": msg})
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, title+"\n\n"+msg+"\n\n")
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody to tell
}
