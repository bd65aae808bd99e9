-- +goose Up
CREATE TABLE networks (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
CREATE TABLE subnets (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
CREATE TABLE network_ports (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
-- No two ports can hold one address, whatever the code above does.
CREATE TABLE port_addresses (
    subnet_id TEXT NOT NULL,
    address   TEXT NOT NULL,
    port_id   TEXT NOT NULL REFERENCES network_ports (id) ON DELETE CASCADE,
    PRIMARY KEY (subnet_id, address)
);
