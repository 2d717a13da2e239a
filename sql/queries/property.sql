-- name: keys
SELECT DISTINCT jsonb_object_keys(r.properties) COLLATE "C" AS key
FROM request AS r
WHERE r.organization_id = $1
ORDER BY key

-- name: search_values
SELECT DISTINCT (r.properties ->> $2::text) COLLATE "C" AS value
FROM request AS r
WHERE r.organization_id = $1 AND r.properties ->> $2::text ILIKE $3
ORDER BY value
LIMIT 25
