-- +goose Up
CREATE TABLE node_history (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid       TEXT NOT NULL UNIQUE,
    node_uuid  TEXT NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    event_type TEXT NOT NULL,
    event      TEXT NOT NULL,
    severity   TEXT NOT NULL,
    user       TEXT NOT NULL,
    conductor  TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX node_history_node ON node_history (node_uuid, id);

CREATE TABLE node_inventory (
    node_uuid   TEXT PRIMARY KEY REFERENCES nodes (uuid) ON DELETE CASCADE,
    inventory   TEXT NOT NULL,
    plugin_data TEXT NOT NULL,
    created_at  TEXT NOT NULL
);
