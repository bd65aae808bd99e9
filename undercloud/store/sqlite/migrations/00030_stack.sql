-- +goose Up
CREATE TABLE stacks (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  action TEXT NOT NULL,
  state TEXT NOT NULL,
  body TEXT NOT NULL,      -- JSON of the rest
  input BLOB NOT NULL,     -- gzip of JSON: the files of the plan
  created_at TEXT NOT NULL
);
CREATE TABLE stack_nodes (
  stack_id TEXT NOT NULL REFERENCES stacks(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (stack_id, name)
);
CREATE TABLE stack_resources (
  stack_id TEXT NOT NULL REFERENCES stacks(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  physical_id TEXT NOT NULL,
  status TEXT NOT NULL,
  reason TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (stack_id, name)
);
CREATE TABLE stack_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  stack_id TEXT NOT NULL REFERENCES stacks(id) ON DELETE CASCADE,
  resource TEXT NOT NULL,
  type TEXT NOT NULL,
  physical_id TEXT NOT NULL,
  status TEXT NOT NULL,
  reason TEXT NOT NULL,
  at TEXT NOT NULL
);
CREATE INDEX stack_events_by_stack ON stack_events (stack_id, id);
