-- +goose Up
-- doc holds the whole node as JSON; the columns beside it are what lists filter by.
CREATE TABLE nodes (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid            TEXT NOT NULL UNIQUE,
    name            TEXT UNIQUE,
    instance_uuid   TEXT UNIQUE,
    provision_state TEXT NOT NULL,
    driver          TEXT NOT NULL,
    resource_class  TEXT NOT NULL,
    maintenance     INTEGER NOT NULL,
    owner           TEXT NOT NULL,
    lessee          TEXT NOT NULL,
    fault           TEXT NOT NULL,
    reservation     TEXT NOT NULL,
    reserved_for    TEXT NOT NULL DEFAULT '',
    reserved_at     TEXT NOT NULL DEFAULT '',
    version         INTEGER NOT NULL,
    doc             TEXT NOT NULL
);
CREATE INDEX nodes_provision_state ON nodes (provision_state);

CREATE TABLE ports (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid      TEXT NOT NULL UNIQUE,
    node_uuid TEXT NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    address   TEXT NOT NULL UNIQUE,
    doc       TEXT NOT NULL
);
CREATE INDEX ports_node ON ports (node_uuid);
