-- API keys.

-- name: register
INSERT INTO api_key (organization_id, key_hash, hint, name, permissions, expires_at, author)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id

-- name: mint
-- By a key of the organization, while that is valid, and until it expires. Its row is locked: a revocation that takes
-- what the key has made (revoke, then revoke_minted) either waits and finds this one too, or comes before it.
WITH maker AS (
    SELECT id, organization_id, expires_at
    FROM api_key
    WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    FOR SHARE
)
INSERT INTO api_key (organization_id, key_hash, hint, name, permissions, expires_at, author, made_by)
SELECT organization_id, $3, $4, $5, $6, expires_at, $7, id
FROM maker
RETURNING id

-- name: find
-- Not bound to an organization: this is where the organization comes from.
SELECT organization_id, id AS key_id, permissions, expires_at, name, author
FROM api_key
WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- name: count_usable
SELECT count(*)
FROM api_key
WHERE organization_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- name: list
SELECT k.id, o.name AS organization, k.name, k.hint, k.permissions, k.created_at, k.expires_at, k.revoked_at, k.made_by,
    k.author
FROM api_key AS k
JOIN organization AS o ON o.id = k.organization_id
WHERE $1::text IS NULL OR o.name = $1
ORDER BY k.id

-- name: revoke
UPDATE api_key
SET revoked_at = coalesce(revoked_at, now())
WHERE id = $1
RETURNING id

-- name: revoke_minted
-- Revoked ones are returned too: what they have made may be valid.
UPDATE api_key
SET revoked_at = coalesce(revoked_at, now())
WHERE made_by = ANY($1::integer[])
RETURNING id

-- name: list_own
SELECT id, name, hint, permissions, created_at, expires_at, made_by, author
FROM api_key
WHERE organization_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
ORDER BY id

-- name: change
UPDATE api_key
SET name = coalesce($3, name), author = coalesce($4, author)
WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL
RETURNING id

-- name: set_author
UPDATE api_key
SET author = $2
WHERE id = $1 AND revoked_at IS NULL
RETURNING id

-- name: revoke_own
UPDATE api_key
SET revoked_at = now()
WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL
RETURNING id
