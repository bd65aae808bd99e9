package storetest

import (
	"errors"
	"reflect"
	"testing"

	"trefoil/internal/errs"
	"trefoil/ironic"

	"github.com/google/uuid"
)

func anybody(*ironic.Node) error { return nil }

func connector(n *ironic.Node, id string) *ironic.VolumeConnector {
	return &ironic.VolumeConnector{VolumeRow: ironic.VolumeRow{UUID: uuid.NewString(), NodeUUID: n.UUID}, Type: "iqn", ConnectorID: id}
}

func target(n *ironic.Node, index int) *ironic.VolumeTarget {
	return &ironic.VolumeTarget{VolumeRow: ironic.VolumeRow{UUID: uuid.NewString(), NodeUUID: n.UUID}, VolumeType: "iscsi",
		BootIndex: index, VolumeID: "v"}
}

func twoNodes(t *testing.T, s ironic.Store) (a, b *ironic.Node) {
	t.Helper()
	a, b = node("a"), node("b")
	must(t, s.CreateNode(t.Context(), a))
	must(t, s.CreateNode(t.Context(), b))
	return a, b
}

func volumeConnectors(t *testing.T, s ironic.Store) {
	a, b := twoNodes(t, s)
	rows := s.VolumeConnectors()
	v := connector(a, "iqn.a")
	v.Extra = map[string]any{"rack": "b"}
	volumeLife(t, rows, v, connector(b, "iqn.b"), a, func(v *ironic.VolumeConnector) { v.Type = "ip" })

	same := connector(b, "iqn.a")
	code(t, rows.Create(t.Context(), same), errs.Conflict, "A volume connector with type iqn and connector ID iqn.a already exists.")
	same.Type = "ip"
	must(t, rows.Create(t.Context(), same))
	_, err := rows.Update(t.Context(), same.UUID, func(v *ironic.VolumeConnector) error { v.Type = "iqn"; return nil }, anybody)
	code(t, err, errs.Conflict, "type iqn and connector ID iqn.a")
	must(t, rows.Create(t.Context(), connector(a, "iqn.a2")))
	volumesGo(t, s, rows, a)
}

func volumeTargets(t *testing.T, s ironic.Store) {
	a, b := twoNodes(t, s)
	rows := s.VolumeTargets()
	v := target(a, 0)
	v.Properties = map[string]any{"target_lun": 1.0, "auth_password": "secret"}
	other := target(b, 0)
	volumeLife(t, rows, v, other, a, func(v *ironic.VolumeTarget) { v.BootIndex = 7 })

	const twice = "A volume target with boot index '0' for the same node already exists."
	code(t, rows.Create(t.Context(), target(a, 0)), errs.Conflict, twice)
	second := target(a, 1)
	must(t, rows.Create(t.Context(), second))
	_, err := rows.Update(t.Context(), second.UUID, func(v *ironic.VolumeTarget) error { v.BootIndex = 0; return nil }, anybody)
	code(t, err, errs.Conflict, twice)
	_, err = rows.Update(t.Context(), other.UUID, func(v *ironic.VolumeTarget) error { v.NodeUUID = a.UUID; return nil }, anybody)
	code(t, err, errs.Conflict, twice)
	volumesGo(t, s, rows, a)
}

// volumeLife takes v, which is node a's and is stored first, and other, which is
// another node's, through what both kinds have in common.
func volumeLife[T ironic.VolumeKind](t *testing.T, rows ironic.Volumes[T], v, other *T, a *ironic.Node, edit func(*T)) {
	row := func(v *T) *ironic.VolumeRow { return any(v).(interface{ Row() *ironic.VolumeRow }).Row() }
	must(t, rows.Create(t.Context(), v))
	must(t, rows.Create(t.Context(), other))
	got, err := rows.Get(t.Context(), row(v).UUID)
	must(t, err)
	if !reflect.DeepEqual(got, v) || row(got).ID == 0 || row(got).CreatedAt.IsZero() {
		t.Errorf("stored %+v\n   got %+v", v, got)
	}
	for of, want := range map[string]int{"": 2, a.UUID: 1, uuid.NewString(): 0} {
		list, err := rows.List(t.Context(), of)
		if err != nil || len(list) != want || want > 0 && row(list[0]).UUID != row(v).UUID {
			t.Errorf("of node %q: %v %v, want %d", of, list, err, want)
		}
	}
	first, double := *v, *v
	edit(&double)
	row(&double).NodeUUID = row(other).NodeUUID
	code(t, rows.Create(t.Context(), &double), errs.Conflict, row(v).UUID)
	orphan := *other
	row(&orphan).UUID, row(&orphan).NodeUUID = uuid.NewString(), uuid.NewString()
	code(t, rows.Create(t.Context(), &orphan), errs.NotFound, row(&orphan).NodeUUID)

	id, created := row(v).ID, row(v).CreatedAt
	up, err := rows.Update(t.Context(), row(v).UUID, func(v *T) error {
		edit(v)
		row(v).UUID, row(v).ID = "other", 99 // which no change may touch
		return nil
	}, anybody)
	must(t, err)
	edit(v)
	if r := row(up); r.UUID != row(v).UUID || r.ID != id || !r.CreatedAt.Equal(created) || r.UpdatedAt == nil {
		t.Errorf("updated %+v", r)
	}
	row(v).UpdatedAt = row(up).UpdatedAt
	if got, err = rows.Get(t.Context(), row(v).UUID); err != nil || !reflect.DeepEqual(got, v) || !reflect.DeepEqual(up, v) {
		t.Errorf("want %+v\n got %+v\n and %+v (%v)", v, up, got, err)
	}
	// As it was, so that the caller knows what is stored.
	_, err = rows.Update(t.Context(), row(v).UUID, func(v *T) error { *v = first; return nil }, anybody)
	must(t, err)
	volumeAsked(t, rows, v, other, row)
}

// volumeAsked wants may to be asked about the nodes of a row, and heeded.
func volumeAsked[T ironic.VolumeKind](t *testing.T, rows ironic.Volumes[T], v, other *T, row func(*T) *ironic.VolumeRow) {
	ctx, no := t.Context(), errors.New("no")
	home, away := row(v).NodeUUID, row(other).NodeUUID
	var asked []string
	refuse := func(refused string) func(*ironic.Node) error {
		asked = nil
		return func(n *ironic.Node) error {
			asked = append(asked, n.UUID)
			if n.UUID == refused {
				return no
			}
			return nil
		}
	}
	move := func(to string) func(*T) error {
		return func(v *T) error { row(v).NodeUUID = to; return nil }
	}
	if _, err := rows.Update(ctx, row(v).UUID, move(away), refuse(home)); !errors.Is(err, no) {
		t.Errorf("its node's refusal became %v", err)
	}
	if _, err := rows.Update(ctx, row(v).UUID, move(away), refuse(away)); !errors.Is(err, no) || !reflect.DeepEqual(asked, []string{home, away}) {
		t.Errorf("the new node's refusal became %v, asked %v", err, asked)
	}
	if _, err := rows.Update(ctx, row(v).UUID, move(home), refuse("")); err != nil || !reflect.DeepEqual(asked, []string{home}) {
		t.Errorf("%v, asked %v", err, asked)
	}
	_, err := rows.Update(ctx, row(v).UUID, move(uuid.NewString()), anybody)
	code(t, err, errs.Invalid, "could not be found")
	_, err = rows.Update(ctx, row(v).UUID, func(*T) error { return no }, anybody)
	if !errors.Is(err, no) {
		t.Errorf("the change's error became %v", err)
	}
	if err := rows.Delete(ctx, row(v).UUID, refuse(home)); !errors.Is(err, no) {
		t.Errorf("its node's refusal became %v", err)
	}
	got, err := rows.Get(ctx, row(v).UUID)
	must(t, err)
	if row(got).NodeUUID != home {
		t.Errorf("it moved to %s", row(got).NodeUUID)
	}
	nobody := uuid.NewString()
	_, err = rows.Get(ctx, nobody)
	code(t, err, errs.NotFound, nobody+" could not be found.")
	_, err = rows.Update(ctx, nobody, func(*T) error { return nil }, anybody)
	code(t, err, errs.NotFound, nobody)
	code(t, rows.Delete(ctx, nobody, anybody), errs.NotFound, nobody)
}

// volumesGo deletes one, and a node with what it has.
func volumesGo[T ironic.VolumeKind](t *testing.T, s ironic.Store, rows ironic.Volumes[T], n *ironic.Node) {
	list, err := rows.List(t.Context(), n.UUID)
	must(t, err)
	one := any(list[0]).(interface{ Row() *ironic.VolumeRow }).Row().UUID
	must(t, rows.Delete(t.Context(), one, anybody))
	code(t, rows.Delete(t.Context(), one, anybody), errs.NotFound, one)
	must(t, s.DeleteNode(t.Context(), n.UUID))
	if left, err := rows.List(t.Context(), n.UUID); err != nil || len(left) != 0 {
		t.Errorf("of a node that is gone: %v %v", left, err)
	}
	if rest, err := rows.List(t.Context(), ""); err != nil || len(rest) == 0 {
		t.Errorf("the other node's went with it: %v %v", rest, err)
	}
}
