-- +goose Up
CREATE TABLE plans (
  name TEXT PRIMARY KEY,
  body TEXT NOT NULL,      -- JSON of the rest
  input BLOB NOT NULL      -- gzip of JSON: the files of the plan
);
-- What was deployed before there were plans is the plan of its name.
INSERT INTO plans (name, body, input)
  SELECT name, json_object('Name', name, 'Passwords', json_extract(body, '$.Passwords'), 'Version', 1, 'CreatedAt', json_extract(body, '$.CreatedAt')), input FROM stacks;
