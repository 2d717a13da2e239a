-- name: upsert
-- $1-$3 one element per request; $4-$8 one per score; both sorted and free of duplicates.
WITH touched AS (
    INSERT INTO request (organization_id, request_id, created_at, updated_at)
    SELECT p.organization_id, p.request_id, p.at, p.at
    FROM unnest($1::int[], $2::text[], $3::timestamptz[]) AS p (organization_id, request_id, at)
    ORDER BY p.organization_id, p.request_id
    ON CONFLICT (organization_id, request_id) DO UPDATE SET updated_at = excluded.updated_at
    RETURNING organization_id, request_id, request_no, created_at, updated_at
)
INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean)
SELECT p.value, t.request_no, t.created_at, t.updated_at, t.organization_id, p.name_id, p.is_boolean
FROM unnest($4::int[], $5::text[], $6::int[], $7::bigint[], $8::boolean[])
    AS p (organization_id, request_id, name_id, value, is_boolean)
JOIN touched t ON t.organization_id = p.organization_id AND t.request_id = p.request_id
ORDER BY t.created_at, t.request_no, p.name_id
ON CONFLICT (request_no, organization_id, name_id) DO UPDATE
SET value = excluded.value, is_boolean = excluded.is_boolean, scored_at = excluded.scored_at
WHERE (score.value, score.is_boolean) IS DISTINCT FROM (excluded.value, excluded.is_boolean)
