-- +goose Up
-- doc holds the whole allocation as JSON; the columns beside it are what is unique and what lists filter by.
CREATE TABLE allocations (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid           TEXT NOT NULL UNIQUE,
    name           TEXT UNIQUE,
    node_uuid      TEXT UNIQUE REFERENCES nodes (uuid) ON DELETE CASCADE,
    state          TEXT NOT NULL,
    resource_class TEXT NOT NULL,
    owner          TEXT NOT NULL,
    doc            TEXT NOT NULL
);
CREATE INDEX allocations_state ON allocations (state);
