-- Calls that carry an Idempotency-Key.

-- name: claim
-- runs on the node of $1
-- In the transaction of what the call writes. Returns nothing where another call has had the key in the last 24 hours.
-- While that is still in progress, the insertion waits for its end, for up to $4 milliseconds; the statements after
-- this one wait as they do without a key.
WITH claimed AS (
    INSERT INTO idempotent_call AS c (organization_id, key, call_hash)
    SELECT $1::integer, $2::text, $3::bytea FROM (SELECT set_config('lock_timeout', $4::text, true)) AS timeout
    ON CONFLICT ON CONSTRAINT idempotent_call_pkey
    DO UPDATE SET began_at = excluded.began_at, call_hash = excluded.call_hash, status = NULL, headers = NULL, body = NULL
    WHERE c.began_at <= now() - interval '24 hours'
    RETURNING c.organization_id
)
SELECT set_config('lock_timeout', '0', true) FROM claimed

-- name: claim_all
-- runs on the node of $1
-- The same for a batch of calls whose answers are known: returns those that no other call has had the key of. In one
-- order for all writers, who would wait for each other otherwise.
INSERT INTO idempotent_call AS c (organization_id, key, call_hash, status, headers, body)
SELECT n.organization_id, n.key, n.call_hash, n.status, n.headers, n.body
FROM (SELECT set_config('lock_timeout', $7::text, true)) AS timeout,
    unnest($1::integer[], $2::text[], $3::bytea[], $4::smallint[], $5::text[], $6::bytea[])
    AS n (organization_id, key, call_hash, status, headers, body)
ORDER BY n.organization_id, n.key COLLATE "C"
ON CONFLICT ON CONSTRAINT idempotent_call_pkey
DO UPDATE SET
    began_at = excluded.began_at, call_hash = excluded.call_hash, status = excluded.status, headers = excluded.headers,
    body = excluded.body
WHERE c.began_at <= now() - interval '24 hours'
RETURNING c.organization_id, c.key

-- name: find_all
-- runs on the node of $1
SELECT c.organization_id, c.key, c.call_hash, c.status, c.headers, c.body
FROM idempotent_call AS c
JOIN unnest($1::integer[], $2::text[]) AS n (organization_id, key)
    ON n.organization_id = c.organization_id AND n.key = c.key
WHERE c.began_at > now() - interval '24 hours'

-- name: release_all
-- runs on the node of $1
DELETE FROM idempotent_call AS c
USING unnest($1::integer[], $2::text[]) AS n (organization_id, key)
WHERE c.organization_id = n.organization_id AND c.key = n.key

-- name: complete
UPDATE idempotent_call SET status = $3, headers = $4, body = $5 WHERE organization_id = $1 AND key = $2

-- name: forget
-- Calls that no longer count. Those that are being taken over by another call are left to it.
DELETE FROM idempotent_call
WHERE organization_id = $1 AND key = ANY (ARRAY(
    SELECT c.key
    FROM idempotent_call AS c
    WHERE c.organization_id = $1 AND c.began_at <= now() - interval '24 hours'
    ORDER BY c.began_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
))
