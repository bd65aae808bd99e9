-- +goose Up
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
