-- Properties of requests.

-- name: set_properties
-- Of a request that is made where it does not exist.
INSERT INTO request AS r (organization_id, request_id, created_at, updated_at, properties, set_properties)
VALUES ($1, $2, $4, $4, $3, $3)
ON CONFLICT ON CONSTRAINT request_pkey DO UPDATE SET
    properties = r.properties || excluded.properties,
    set_properties = coalesce(r.set_properties, '{}') || excluded.set_properties,
    updated_at = greatest(r.updated_at, excluded.updated_at)
RETURNING r.request_no

-- name: set_of_known
-- As set_properties, but only of a request that exists.
UPDATE request AS r SET
    properties = r.properties || $3::jsonb,
    set_properties = coalesce(r.set_properties, '{}') || $3,
    updated_at = greatest(r.updated_at, $4)
WHERE r.organization_id = $1 AND r.request_id = $2
RETURNING r.request_no

-- name: set_of_requests
-- The same of those that there are of the requests $2.
UPDATE request AS r SET
    properties = r.properties || $3::text::jsonb,
    set_properties = coalesce(r.set_properties, '{}') || $3::text::jsonb,
    updated_at = greatest(r.updated_at, $4)
WHERE r.request_no = ANY ($2::bigint[]) AND r.organization_id = $1::integer::oid
RETURNING r.request_no

-- name: remove_property
UPDATE request
SET properties = properties - $3::text, set_properties = set_properties - $3::text, updated_at = $4
WHERE organization_id = $1 AND request_id = $2 AND properties ? $3::text
RETURNING request_no

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
