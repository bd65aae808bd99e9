-- +goose Up
CREATE TABLE portgroups (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid      TEXT NOT NULL UNIQUE,
    node_uuid TEXT NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    name      TEXT UNIQUE,
    address   TEXT UNIQUE,
    doc       TEXT NOT NULL
);
CREATE INDEX portgroups_node ON portgroups (node_uuid);
ALTER TABLE ports ADD COLUMN portgroup_uuid TEXT GENERATED ALWAYS AS (nullif(json_extract(doc, '$.PortgroupUUID'), '')) VIRTUAL;
CREATE INDEX ports_portgroup ON ports (portgroup_uuid);
