-- name: schema
-- As t_bare, but without posting lists all tuples of a page keep one width.
DROP INDEX score_time;
CREATE INDEX score_time ON score (organization_id, name_id, request_created_at)
    WITH (deduplicate_items = off);
