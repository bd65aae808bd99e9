package api

import (
	"strings"
	"time"

	"trefoil/ironic"
)

// volumeText is a text of a connector or a target.
func volumeText[T ironic.VolumeKind](name string, at func(*T) *string) field[*T] {
	return field[*T]{name: name, kind: shortText, initial: true, patch: true,
		get: func(_ *call, v *T) any { return orNull(*at(v)) },
		set: func(v *T, value any) { *at(v) = value.(string) }}
}

// volumeTable puts the fields that only one of the kinds has between those that
// both have, in the order in which Ironic answers.
func volumeTable[T ironic.VolumeKind](path string, row func(*T) *ironic.VolumeRow, own ...field[*T]) table[*T] {
	t := table[*T]{
		{name: "uuid", kind: uuidText, initial: true, get: func(_ *call, v *T) any { return row(v).UUID },
			set: func(v *T, value any) { row(v).UUID = strings.ToLower(value.(string)) }},
		timeField("created_at", 0, func(v *T) *time.Time { return &row(v).CreatedAt }),
		timeField("updated_at", 0, func(v *T) *time.Time { return row(v).UpdatedAt }),
		{name: "extra", kind: dict, initial: true, patch: true, noSort: true,
			get: func(_ *call, v *T) any { return mapOrEmpty(row(v).Extra) },
			set: func(v *T, value any) { row(v).Extra = value.(map[string]any) }},
	}
	t = append(t, own...)
	return append(t, table[*T]{
		{name: "node_uuid", kind: uuidText, initial: true, patch: true,
			get: func(_ *call, v *T) any { return orNull(row(v).NodeUUID) },
			set: func(v *T, value any) { row(v).NodeUUID = strings.ToLower(value.(string)) }},
		{name: "links", noSort: true, get: func(c *call, v *T) any { return c.links(path + "/" + row(v).UUID) }},
	}...)
}

func connectorKind() *volumeKind[ironic.VolumeConnector] {
	type connector = ironic.VolumeConnector
	k := &volumeKind[connector]{noun: "connector", row: (*connector).Row, rows: ironic.VolumeStore.VolumeConnectors,
		defaults: []string{"uuid", "node_uuid", "type", "connector_id"},
		required: []string{"connector_id", "node_uuid", "type"}}
	k.table = volumeTable(k.path(""), k.row,
		volumeText("connector_id", func(v *connector) *string { return &v.ConnectorID }),
		volumeText("type", func(v *connector) *string { return &v.Type }))
	return k
}

func targetKind() *volumeKind[ironic.VolumeTarget] {
	type target = ironic.VolumeTarget
	k := &volumeKind[target]{noun: "target", row: (*target).Row, rows: ironic.VolumeStore.VolumeTargets,
		defaults: []string{"uuid", "node_uuid", "volume_type", "boot_index", "volume_id"},
		required: []string{"boot_index", "node_uuid", "volume_id", "volume_type"}}
	k.table = volumeTable(k.path(""), k.row,
		field[*target]{name: "boot_index", kind: integer, initial: true, patch: true,
			get: func(_ *call, v *target) any { return v.BootIndex },
			set: func(v *target, value any) { v.BootIndex = value.(int) }},
		field[*target]{name: "properties", kind: dict, initial: true, patch: true, noSort: true,
			get:      targetProperties,
			unmasked: func(v *target) any { return mapOrEmpty(v.Properties) },
			set:      func(v *target, value any) { v.Properties = value.(map[string]any) }},
		volumeText("volume_id", func(v *target) *string { return &v.VolumeID }),
		volumeText("volume_type", func(v *target) *string { return &v.VolumeType }))
	return k
}
