-- Deleting old requests. Every writer of scores locks the request's row first, and so does this.

-- name: claim
-- Held until the end of the transaction.
SELECT pg_try_advisory_xact_lock(7276518024552)

-- name: list_organizations
SELECT id FROM organization ORDER BY id

-- name: remove_requests
-- Materialized: the rows are chosen and locked once, whatever the plan of the DELETE.
WITH old AS MATERIALIZED (
    SELECT r.request_id
    FROM request AS r
    WHERE r.organization_id = $1 AND r.created_at < $2
    ORDER BY r.created_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
DELETE FROM request AS r
USING old
WHERE r.organization_id = $1 AND r.request_id = old.request_id
RETURNING r.request_no
