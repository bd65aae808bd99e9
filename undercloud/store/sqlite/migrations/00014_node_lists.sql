-- +goose Up
-- A page by name among the nodes of one state, which most nodes may be in: the id is behind both in every index.
CREATE INDEX nodes_state_name ON nodes (provision_state, name_key);
-- Introspections are listed by when they began; most lists of nodes never look at it.
ALTER TABLE nodes ADD COLUMN inspection_started_at TEXT NOT NULL DEFAULT '';
UPDATE nodes SET inspection_started_at = rtrim(json_extract(doc, '$.InspectionStartedAt'), 'Z')
    WHERE json_extract(doc, '$.InspectionStartedAt') IS NOT NULL;
CREATE INDEX nodes_inspection_started ON nodes (inspection_started_at) WHERE inspection_started_at <> '';
