-- API keys. Making and revoking one is noted in the audit by the same statement.

-- name: register
-- $8..$10: who does (actor, key, person).
WITH made AS (
    INSERT INTO api_key (organization_id, key_hash, hint, name, permissions, expires_at, author)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    RETURNING organization_id, id
),
noted AS (
    INSERT INTO audit_entry (organization_id, actor, key_id, person, action, subject, numbers)
    SELECT organization_id, $8, $9, $10, 'key.made', jsonb_build_object('key', id), '{}' FROM made
)
SELECT id FROM made

-- name: mint
-- By a key of the organization, while that is valid, and until it expires, or $8 (null: no sooner). $9 and $10: who does.
-- $11: the queue that it reviews only (null: it is no such key).
-- The maker's row is locked: a revocation that takes what the key has made (revoke, then revoke_minted) either waits and
-- finds this one too, or comes before it.
WITH maker AS (
    SELECT id, organization_id, expires_at
    FROM api_key
    WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    FOR SHARE
),
made AS (
    INSERT INTO api_key (organization_id, key_hash, hint, name, permissions, expires_at, author, made_by, queue_id)
    SELECT
        organization_id, $3, $4, $5, $6, least(expires_at, $8::timestamptz), $7, id,  -- least() leaves nulls out
        $11::text::uuid
    FROM maker
    RETURNING organization_id, id, name, hint, created_at, expires_at
),
noted AS (
    INSERT INTO audit_entry (organization_id, actor, key_id, person, action, subject, numbers)
    SELECT organization_id, $9, $2, $10, 'key.made', jsonb_build_object('key', id), '{}' FROM made
)
SELECT id, name, hint, created_at, expires_at FROM made

-- name: revoke_of_queue
-- All keys that review the queue $2; $3..$5: who does.
WITH revoked AS (
    UPDATE api_key
    SET revoked_at = now()
    WHERE organization_id = $1 AND queue_id = $2::text::uuid AND revoked_at IS NULL
    RETURNING organization_id, id
),
noted AS (
    INSERT INTO audit_entry (organization_id, actor, key_id, person, action, subject, numbers)
    SELECT organization_id, $3, $4, $5, 'key.revoked', jsonb_build_object('key', id), '{}' FROM revoked
)
SELECT count(*) FROM revoked

-- name: find
-- Not bound to an organization: this is where the organization comes from.
SELECT organization_id, id AS key_id, permissions, expires_at, name, author, queue_id::text AS queue_id
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
-- $2..$4: who does. One that is revoked already is returned too, and not noted again.
WITH known AS MATERIALIZED (
    SELECT organization_id, id, revoked_at FROM api_key WHERE id = $1 FOR UPDATE
),
revoked AS (
    UPDATE api_key AS k
    SET revoked_at = now()
    FROM known
    WHERE k.id = known.id AND known.revoked_at IS NULL
    RETURNING k.organization_id, k.id
),
noted AS (
    INSERT INTO audit_entry (organization_id, actor, key_id, person, action, subject, numbers)
    SELECT organization_id, $2, $3, $4, 'key.revoked', jsonb_build_object('key', id), '{}' FROM revoked
)
SELECT id FROM known

-- name: revoke_minted
-- The same for all that some keys made. Revoked ones are returned too: what they have made may be valid.
WITH known AS MATERIALIZED (
    SELECT organization_id, id, revoked_at FROM api_key WHERE made_by = ANY($1::integer[]) ORDER BY id FOR UPDATE
),
revoked AS (
    UPDATE api_key AS k
    SET revoked_at = now()
    FROM known
    WHERE k.id = known.id AND known.revoked_at IS NULL
    RETURNING k.organization_id, k.id
),
noted AS (
    INSERT INTO audit_entry (organization_id, actor, key_id, person, action, subject, numbers)
    SELECT organization_id, $2, $3, $4, 'key.revoked', jsonb_build_object('key', id), '{}' FROM revoked
)
SELECT id FROM known

-- name: list_own
SELECT id, name, hint, permissions, created_at, expires_at, made_by, author
FROM api_key
WHERE organization_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
ORDER BY id

-- name: list_with_makers
-- Up to $2 keys, usable ones first, then the newest, with the key and the person that made each: of those that were made
-- before there was an audit, the person is not known.
SELECT
    k.id, k.name, k.hint, k.permissions, k.created_at, k.expires_at, k.revoked_at, k.author,
    k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AS is_usable,
    m.name AS maker_name, m.hint AS maker_hint, made.person
FROM api_key AS k
LEFT JOIN api_key AS m ON m.organization_id = k.organization_id AND m.id = k.made_by
LEFT JOIN (
    SELECT a.subject -> 'key' AS key, a.person
    FROM audit_entry AS a
    WHERE a.organization_id = $1 AND a.action = 'key.made' AND a.person IS NOT NULL
) AS made ON made.key = to_jsonb(k.id)
WHERE k.organization_id = $1 AND ($3::integer IS NULL OR k.id = $3)
ORDER BY is_usable DESC, k.id DESC
LIMIT $2

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
-- $3..$5: who does.
WITH revoked AS (
    UPDATE api_key
    SET revoked_at = now()
    WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL
    RETURNING organization_id, id
),
noted AS (
    INSERT INTO audit_entry (organization_id, actor, key_id, person, action, subject, numbers)
    SELECT organization_id, $3, $4, $5, 'key.revoked', jsonb_build_object('key', id), '{}' FROM revoked
)
SELECT id FROM revoked
