-- +goose Up
-- Columns for what lists of nodes filter and sort by. parent_node is asked in every list, the others are indexed.
-- Where nearly all rows are empty the index leaves those out: it costs them nothing, and a query that says <> ''
-- (= 1 where it is a flag) finds the others by it.
ALTER TABLE nodes ADD COLUMN parent_node TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN shard TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN conductor_group TEXT NOT NULL DEFAULT '';
-- That of before was computed out of the document, at each write of a node.
DROP INDEX nodes_chassis;
ALTER TABLE nodes DROP COLUMN chassis_uuid;
ALTER TABLE nodes ADD COLUMN chassis_uuid TEXT NOT NULL DEFAULT '';
UPDATE nodes SET
    parent_node     = ifnull(json_extract(doc, '$.ParentNode'), ''),
    shard           = ifnull(json_extract(doc, '$.Shard'), ''),
    conductor_group = ifnull(json_extract(doc, '$.ConductorGroup'), ''),
    chassis_uuid    = ifnull(json_extract(doc, '$.ChassisUUID'), '');
ALTER TABLE nodes ADD COLUMN name_key TEXT GENERATED ALWAYS AS (ifnull(name, '')) VIRTUAL; -- a sort key is never NULL
ALTER TABLE nodes ADD COLUMN associated INTEGER GENERATED ALWAYS AS (instance_uuid IS NOT NULL) VIRTUAL;

CREATE INDEX nodes_name_key ON nodes (name_key);
CREATE INDEX nodes_driver ON nodes (driver);
CREATE INDEX nodes_resource_class ON nodes (resource_class);
CREATE INDEX nodes_owner ON nodes (owner);
CREATE INDEX nodes_lessee ON nodes (lessee) WHERE lessee <> '';
CREATE INDEX nodes_fault ON nodes (fault) WHERE fault <> '';
CREATE INDEX nodes_maintenance ON nodes (maintenance) WHERE maintenance = 1;
CREATE INDEX nodes_associated ON nodes (associated) WHERE associated = 1;
CREATE INDEX nodes_parent ON nodes (parent_node) WHERE parent_node <> '';
CREATE INDEX nodes_shard ON nodes (shard) WHERE shard <> '';
CREATE INDEX nodes_conductor_group ON nodes (conductor_group) WHERE conductor_group <> '';
CREATE INDEX nodes_chassis ON nodes (chassis_uuid) WHERE chassis_uuid <> '';
