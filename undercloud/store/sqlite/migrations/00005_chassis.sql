-- +goose Up
CREATE TABLE chassis (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE,
    doc  TEXT NOT NULL
);
-- What nodes name is looked for when a chassis goes.
ALTER TABLE nodes ADD COLUMN chassis_uuid TEXT GENERATED ALWAYS AS (nullif(json_extract(doc, '$.ChassisUUID'), '')) VIRTUAL;
CREATE INDEX nodes_chassis ON nodes (chassis_uuid);
