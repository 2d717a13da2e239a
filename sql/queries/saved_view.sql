-- Saved views of requests.

-- name: list
SELECT id::text AS id, name, search FROM saved_view WHERE organization_id = $1 ORDER BY lower(name), name

-- name: lock
-- So that calls that add views take turns.
SELECT FROM organization WHERE id = $1 FOR NO KEY UPDATE

-- name: count
SELECT count(*) FROM saved_view WHERE organization_id = $1

-- name: add
INSERT INTO saved_view (organization_id, name, search)
VALUES ($1, $2, $3::text::jsonb)
RETURNING id::text AS id, name, search

-- name: rename
UPDATE saved_view SET name = $3
WHERE organization_id = $1 AND id = $2::text::uuid
RETURNING id::text AS id, name, search

-- name: remove
DELETE FROM saved_view WHERE organization_id = $1 AND id = $2::text::uuid RETURNING id::text
