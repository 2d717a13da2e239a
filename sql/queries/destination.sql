-- Destinations of events.

-- name: list
-- Of the kinds $2. A secret that has been replaced is returned for as long as it is valid.
SELECT
    id, organization_id, kind, name, address, events, options, secret,
    CASE WHEN old_secret_until > now() THEN old_secret END AS old_secret,
    CASE WHEN old_secret_until > now() THEN old_secret_until END AS old_secret_until,
    created_at, failing_since, disabled_at, disabled_reason, digest, digest_hour, digest_at
FROM destination
WHERE organization_id = $1 AND kind = ANY ($2::text[])
ORDER BY created_at, id

-- name: find
SELECT
    id, organization_id, kind, name, address, events, options, secret,
    CASE WHEN old_secret_until > now() THEN old_secret END AS old_secret,
    CASE WHEN old_secret_until > now() THEN old_secret_until END AS old_secret_until,
    created_at, failing_since, disabled_at, disabled_reason, digest, digest_hour, digest_at
FROM destination
WHERE organization_id = $1 AND id = $2 AND kind = ANY ($3::text[])

-- name: list_enabled
-- Of all organizations, for the one service that makes deliveries of events.
SELECT
    id, organization_id, kind, name, address, events, options, secret,
    CASE WHEN old_secret_until > now() THEN old_secret END AS old_secret,
    CASE WHEN old_secret_until > now() THEN old_secret_until END AS old_secret_until,
    created_at, failing_since, disabled_at, disabled_reason, digest, digest_hour, digest_at
FROM destination
WHERE disabled_at IS NULL
ORDER BY organization_id, created_at, id

-- name: lock
-- Changes of an organization's destinations take turns: each looks at all of them. NO KEY: posts that add a name share a
-- lock on the key of this row, and need not wait.
SELECT FROM organization WHERE id = $1 FOR NO KEY UPDATE

-- name: count
SELECT count(*) FROM destination WHERE organization_id = $1

-- name: add
INSERT INTO destination (
    organization_id, kind, name, address, events, options, secret, digest, digest_hour, digest_at
)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8, $9, $10)
RETURNING id

-- name: read_clock
SELECT clock_timestamp()

-- name: lock_one
-- What a change depends on. A digest that is made meanwhile waits, and finds out that its time was changed.
SELECT events, digest, digest_hour, digest_at, disabled_at IS NULL AS is_enabled
FROM destination
WHERE organization_id = $1 AND id = $2 AND kind = ANY ($3::text[])
FOR NO KEY UPDATE

-- name: change
-- What is null stays, but for the digest ($9 to $11); keys of $7 replace those of the options. $8: whether it is enabled.
UPDATE destination
SET
    name = coalesce($4, name), address = coalesce($5, address), events = coalesce($6, events),
    options = options || coalesce($7::text::jsonb, '{}'),
    disabled_at = CASE WHEN $8::boolean THEN NULL WHEN NOT $8 THEN coalesce(disabled_at, now()) ELSE disabled_at END,
    disabled_reason = CASE
        WHEN $8 THEN NULL
        WHEN NOT $8 THEN coalesce(disabled_reason, 'disabled through the API')
        ELSE disabled_reason
    END,
    failing_since = CASE WHEN $8 THEN NULL ELSE failing_since END,
    digest = $9, digest_hour = $10, digest_at = $11,
    digest_tries = CASE WHEN digest_at = $11 THEN digest_tries ELSE 0 END,
    digest_retry_at = CASE WHEN digest_at = $11 THEN digest_retry_at END
WHERE organization_id = $1 AND id = $2 AND kind = ANY ($3::text[])

-- name: rotate_secret
UPDATE destination
SET secret = $4, old_secret = secret, old_secret_until = now() + $5::interval
WHERE organization_id = $1 AND id = $2 AND kind = ANY ($3::text[])
RETURNING id

-- name: remove
-- With its deliveries.
DELETE FROM destination WHERE organization_id = $1 AND id = $2 AND kind = ANY ($3::text[]) RETURNING id

-- name: disable
UPDATE destination
SET disabled_at = now(), disabled_reason = $3
WHERE organization_id = $1 AND id = $2 AND disabled_at IS NULL
RETURNING id

-- name: park_waiting
UPDATE delivery
SET state = 'parked', last_error = coalesce(last_error, 'its destination was disabled before it was sent')
WHERE organization_id = $1 AND destination_id = $2 AND state = 'waiting'

-- name: list_types
-- The types of events that any of an organization's destinations is sent.
SELECT DISTINCT t.type
FROM destination AS d
CROSS JOIN LATERAL unnest(d.events) AS t (type)
WHERE d.organization_id = $1 AND d.disabled_at IS NULL
