-- +goose Up
-- A port's name lies in its document; the column is there to be unique and to be found.
ALTER TABLE ports ADD COLUMN name TEXT GENERATED ALWAYS AS (nullif(json_extract(doc, '$.Name'), '')) VIRTUAL;
CREATE UNIQUE INDEX ports_name ON ports (name);
