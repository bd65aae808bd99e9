package storetest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

// RunTemplates runs the suite of ironic.DeployTemplateStore and ironic.RunbookStore; open
// returns an empty store, closed by the test's clean-up.
func RunTemplates(t *testing.T, open func(t *testing.T) ironic.Store) {
	t.Run("deploy templates", func(t *testing.T) {
		runShelf(t, func(t *testing.T) shelf[ironic.DeployTemplate] { return templateShelf(open(t)) })
	})
	t.Run("runbooks", func(t *testing.T) {
		runShelf(t, func(t *testing.T) shelf[ironic.Runbook] { return runbookShelf(open(t)) })
	})
	t.Run("deploy templates are found by many names", func(t *testing.T) { templatesNamed(t, open(t)) })
}

// shelf is the methods of a store that keeps things by unique names.
type shelf[T any] struct {
	kind   string // in errors
	make   func(name string) *T
	head   func(*T) shelfHead
	create func(context.Context, *T) error
	get    func(context.Context, string) (*T, error)
	all    func(context.Context) ([]*T, error)
	update func(context.Context, string, func(*T) error) (*T, error)
	remove func(context.Context, string) error
}

type shelfHead struct {
	id         int64
	uuid, name *string
	extra      *map[string]any
	created    time.Time
	updated    *time.Time
}

func kept() []ironic.TemplateStep {
	return []ironic.TemplateStep{{Interface: "raid", Name: "apply_configuration", Rank: 90, Args: map[string]any{"raid_config": map[string]any{"level": "1"}}},
		{Interface: "deploy", Name: "hold", Rank: 0}}
}

func templateShelf(s ironic.Store) shelf[ironic.DeployTemplate] {
	return shelf[ironic.DeployTemplate]{"Deploy template",
		func(name string) *ironic.DeployTemplate {
			return &ironic.DeployTemplate{UUID: uuid.NewString(), Name: name, Steps: kept(), Extra: map[string]any{"a": "b"}}
		},
		func(t *ironic.DeployTemplate) shelfHead {
			return shelfHead{t.ID, &t.UUID, &t.Name, &t.Extra, t.CreatedAt, t.UpdatedAt}
		},
		s.CreateDeployTemplate, s.DeployTemplate, s.DeployTemplates, s.UpdateDeployTemplate, s.DeleteDeployTemplate}
}

func runbookShelf(s ironic.Store) shelf[ironic.Runbook] {
	return shelf[ironic.Runbook]{"Runbook",
		func(name string) *ironic.Runbook {
			return &ironic.Runbook{UUID: uuid.NewString(), Name: name, Steps: kept(), DisableRamdisk: true, Public: true, Owner: "me",
				Extra: map[string]any{"a": "b"}}
		},
		func(r *ironic.Runbook) shelfHead {
			return shelfHead{r.ID, &r.UUID, &r.Name, &r.Extra, r.CreatedAt, r.UpdatedAt}
		},
		s.CreateRunbook, s.Runbook, s.Runbooks, s.UpdateRunbook, s.DeleteRunbook}
}

func runShelf[T any](t *testing.T, open func(*testing.T) shelf[T]) {
	for name, f := range map[string]func(*testing.T, shelf[T]){
		"one comes back as it was stored":      shelfRoundTrip[T],
		"names and uuids are unique":           shelfUnique[T],
		"lists are in the order of creation":   shelfOrder[T],
		"an update is all or nothing":          shelfUpdate[T],
		"what was deleted is gone, name, too":  shelfDelete[T],
		"what is not there is told in its way": shelfMissing[T],
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func shelfRoundTrip[T any](t *testing.T, s shelf[T]) {
	v := s.make("CUSTOM_A")
	must(t, s.create(t.Context(), v))
	h := s.head(v)
	if h.id == 0 || h.created.IsZero() || h.updated != nil {
		t.Errorf("not filled: %+v", v)
	}
	for _, ident := range []string{*h.uuid, *h.name} {
		got, err := s.get(t.Context(), ident)
		must(t, err)
		if !reflect.DeepEqual(got, v) {
			t.Errorf("by %s\n got %+v\nwant %+v", ident, got, v)
		}
	}
}

func shelfUnique[T any](t *testing.T, s shelf[T]) {
	a, b := s.make("CUSTOM_A"), s.make("CUSTOM_B")
	must(t, s.create(t.Context(), a))
	must(t, s.create(t.Context(), b))
	kind := strings.ToLower(s.kind)
	code(t, s.create(t.Context(), s.make("CUSTOM_A")), errs.Conflict, "A "+kind+" with name CUSTOM_A already exists.")
	twin := s.make("CUSTOM_C")
	*s.head(twin).uuid = *s.head(a).uuid
	code(t, s.create(t.Context(), twin), errs.Conflict, "A "+kind+" with UUID "+*s.head(a).uuid+" already exists.")
	_, err := s.update(t.Context(), *s.head(b).uuid, func(b *T) error { *s.head(b).name = "CUSTOM_A"; return nil })
	code(t, err, errs.Conflict, "A "+kind+" with name CUSTOM_A already exists.")
	_, err = s.update(t.Context(), *s.head(b).uuid, func(b *T) error { *s.head(b).name = "CUSTOM_B"; return nil })
	must(t, err)
}

func shelfOrder[T any](t *testing.T, s shelf[T]) {
	if list, err := s.all(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("of an empty store: %v %v", list, err)
	}
	for _, name := range []string{"CUSTOM_C", "CUSTOM_A", "CUSTOM_B"} {
		must(t, s.create(t.Context(), s.make(name)))
	}
	_, err := s.update(t.Context(), "CUSTOM_C", func(c *T) error { *s.head(c).name = "CUSTOM_D"; return nil })
	must(t, err)
	list, err := s.all(t.Context())
	must(t, err)
	if got := shelfNames(s, list); got != "CUSTOM_D CUSTOM_A CUSTOM_B" {
		t.Errorf("order %s", got)
	}
}

func shelfNames[T any](s shelf[T], list []*T) string {
	var out []string
	for _, v := range list {
		out = append(out, *s.head(v).name)
	}
	return strings.Join(out, " ")
}

func shelfUpdate[T any](t *testing.T, s shelf[T]) {
	v := s.make("CUSTOM_A")
	must(t, s.create(t.Context(), v))
	id := *s.head(v).uuid
	got, err := s.update(t.Context(), id, func(v *T) error {
		h := s.head(v)
		*h.uuid, *h.extra = "another", map[string]any{"c": "d"}
		return nil
	})
	must(t, err)
	h := s.head(got)
	if *h.uuid != id || (*h.extra)["c"] != "d" || h.updated == nil || h.id != s.head(v).id || !h.created.Equal(s.head(v).created) {
		t.Errorf("%+v", got)
	}
	refused := errors.New("no")
	if _, err := s.update(t.Context(), id, func(v *T) error { *s.head(v).extra = nil; return refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	again, err := s.get(t.Context(), id)
	must(t, err)
	if !reflect.DeepEqual(again, got) {
		t.Errorf("a refused change left traces: %+v", again)
	}
}

func shelfDelete[T any](t *testing.T, s shelf[T]) {
	v := s.make("CUSTOM_A")
	must(t, s.create(t.Context(), v))
	must(t, s.remove(t.Context(), *s.head(v).uuid))
	again := s.make("CUSTOM_A")
	must(t, s.create(t.Context(), again))
	if s.head(again).id == s.head(v).id {
		t.Error("the number of a deleted one was used again")
	}
}

func shelfMissing[T any](t *testing.T, s shelf[T]) {
	_, err := s.get(t.Context(), "CUSTOM_A")
	code(t, err, errs.NotFound, s.kind+" CUSTOM_A could not be found.")
	_, err = s.update(t.Context(), "CUSTOM_A", func(*T) error { return nil })
	code(t, err, errs.NotFound, s.kind+" CUSTOM_A could not be found.")
	code(t, s.remove(t.Context(), "CUSTOM_A"), errs.NotFound, s.kind+" CUSTOM_A could not be found.")
}

func templatesNamed(t *testing.T, s ironic.Store) {
	shelf := templateShelf(s)
	for _, name := range []string{"CUSTOM_A", "CUSTOM_B", "CUSTOM_C"} {
		must(t, s.CreateDeployTemplate(t.Context(), shelf.make(name)))
	}
	for want, names := range map[string][]string{"": {}, "CUSTOM_A CUSTOM_C": {"CUSTOM_C", "CUSTOM_X", "CUSTOM_A"}, "CUSTOM_B": {"CUSTOM_B"}} {
		list, err := s.DeployTemplatesNamed(t.Context(), names)
		must(t, err)
		if got := shelfNames(shelf, list); got != want {
			t.Errorf("%v: %q, want %q", names, got, want)
		}
	}
	if list, err := s.DeployTemplatesNamed(t.Context(), nil); err != nil || len(list) != 0 {
		t.Errorf("without names: %v %v", list, err)
	}
}
