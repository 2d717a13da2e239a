-- name: schema
DROP INDEX score_time;
CREATE INDEX score_time ON score (organization_id, name_id, request_created_at) INCLUDE (value);
