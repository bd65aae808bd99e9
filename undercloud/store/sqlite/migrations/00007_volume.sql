-- +goose Up
-- doc holds the whole row as JSON; the columns that are taken out of it are there to be unique.
CREATE TABLE volume_connectors (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT NOT NULL UNIQUE,
    node_uuid    TEXT NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    doc          TEXT NOT NULL,
    type         TEXT GENERATED ALWAYS AS (json_extract(doc, '$.Type')) VIRTUAL,
    connector_id TEXT GENERATED ALWAYS AS (json_extract(doc, '$.ConnectorID')) VIRTUAL,
    UNIQUE (type, connector_id)
);
CREATE INDEX volume_connectors_node ON volume_connectors (node_uuid);

CREATE TABLE volume_targets (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid       TEXT NOT NULL UNIQUE,
    node_uuid  TEXT NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    doc        TEXT NOT NULL,
    boot_index INTEGER GENERATED ALWAYS AS (json_extract(doc, '$.BootIndex')) VIRTUAL,
    UNIQUE (node_uuid, boot_index)
);
