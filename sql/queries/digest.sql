-- Digests that are due.

-- name: claim
-- A destination whose digest is due, those first that were not tried yet. Of all organizations. Nobody else begins it for
-- ten minutes; if it is not made until then, because it failed or its service died, it is begun again.
UPDATE destination AS d
SET digest_retry_at = now() + interval '10 minutes', digest_tries = digest_tries + 1
FROM (
    SELECT f.id
    FROM destination AS f
    WHERE f.digest_at <= now() AND f.disabled_at IS NULL
    AND (f.digest_retry_at IS NULL OR f.digest_retry_at <= now())
    ORDER BY f.digest_retry_at NULLS FIRST, f.digest_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS due
WHERE d.id = due.id
RETURNING
    d.id, organization_id, kind, name, address, events, options, secret,
    CASE WHEN old_secret_until > now() THEN old_secret END AS old_secret,
    CASE WHEN old_secret_until > now() THEN old_secret_until END AS old_secret_until,
    created_at, failing_since, disabled_at, disabled_reason, digest, digest_hour, digest_at,
    digest_tries AS tries, now() AS clock

-- name: move_on
-- Nothing where the digest of that time was made, or is wanted no longer.
UPDATE destination
SET digest_at = $4, digest_tries = 0, digest_retry_at = NULL
WHERE organization_id = $1 AND id = $2 AND digest_at = $3 AND disabled_at IS NULL
RETURNING id
