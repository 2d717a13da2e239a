-- name: schema
-- 16 bytes of key: the widest tuple for which nbtree splits after the newest entry of a group.
DROP INDEX score_time;
CREATE INDEX score_time ON score (organization_id, name_id, request_created_at);
