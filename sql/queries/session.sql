-- Sessions of the dashboard. Not bound to an organization: this is where the organization of a page comes from.

-- name: find
-- The cookie names the key and the session; the result is used only if it is signed with the secret and the hash.
SELECT k.organization_id, o.name AS organization, k.id AS key_id, k.name, k.hint, k.permissions, k.expires_at,
    k.author, k.key_hash, s.secret, k.queue_id::text AS queue_id
FROM api_key AS k
JOIN organization AS o ON o.id = k.organization_id
JOIN signing_secret AS s ON s.purpose = 'session'
WHERE k.id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
AND NOT EXISTS (SELECT FROM ended_session AS e WHERE e.id = $2)

-- name: find_past
-- The same of a key that may have ended; to be believed under the same condition.
SELECT
    k.name, k.hint, k.revoked_at, CASE WHEN k.expires_at <= now() THEN k.expires_at END AS expired_at, k.key_hash, s.secret
FROM api_key AS k
JOIN signing_secret AS s ON s.purpose = 'session'
WHERE k.id = $1

-- name: end
-- And forget those that have expired since, so that the table stays as small as half a day's sessions.
WITH expired AS (
    DELETE FROM ended_session WHERE expires_at < now()
)
INSERT INTO ended_session (id, expires_at)
VALUES ($1, now() + make_interval(secs => $2))
ON CONFLICT ON CONSTRAINT ended_session_pkey DO NOTHING
