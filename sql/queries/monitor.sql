-- Monitors. Times are the database's: $n is null for now, and another time in tests.

-- name: list
SELECT
    organization_id, id::text AS id, revision, definition, created_at, updated_at, evaluated_until, next_at, stand,
    failures, error, failing_since, now() AS clock
FROM monitor
WHERE organization_id = $1
ORDER BY name

-- name: find
SELECT
    organization_id, id::text AS id, revision, definition, created_at, updated_at, evaluated_until, next_at, stand,
    failures, error, failing_since, now() AS clock
FROM monitor
WHERE organization_id = $1 AND id = $2::text::uuid

-- name: find_for_change
-- Evaluations wait until the change is made.
SELECT
    organization_id, id::text AS id, revision, definition, created_at, updated_at, evaluated_until, next_at, stand,
    failures, error, failing_since, now() AS clock
FROM monitor
WHERE organization_id = $1 AND id = $2::text::uuid
FOR UPDATE

-- name: lock
-- So that calls that add monitors take turns.
SELECT now() AS clock FROM organization WHERE id = $1 FOR NO KEY UPDATE

-- name: count
SELECT count(*) FROM monitor WHERE organization_id = $1

-- name: add
INSERT INTO monitor (organization_id, name, definition, evaluated_until, next_at)
VALUES ($1, $2, $3::text::jsonb, $4, $5)
RETURNING id::text

-- name: replace
UPDATE monitor SET
    name = $3, definition = $4::text::jsonb, evaluated_until = $5, next_at = $6, stand = $7::text::jsonb,
    updated_at = now(), revision = revision + 1, claimed_until = NULL, failures = 0, error = NULL, failing_since = NULL
WHERE organization_id = $1 AND id = $2::text::uuid

-- name: remove
DELETE FROM monitor WHERE organization_id = $1 AND id = $2::text::uuid RETURNING id::text

-- name: find_destinations
-- Which of the destinations $2 there are.
SELECT id::text FROM destination WHERE organization_id = $1 AND id = ANY ($2::text[]::uuid[])

-- name: list_changes
-- Newest first, those before $3 (null: all).
SELECT
    happened_at AS at, group_value AS group, previous_state, state, value, base_value, count, reason, id AS number
FROM monitor_change
WHERE organization_id = $1 AND monitor_id = $2::text::uuid AND ($3::bigint IS NULL OR id < $3)
ORDER BY id DESC
LIMIT $4

-- name: claim
-- At most $2 monitors that are due at $1, for the time $3; organizations take turns. What was due is looked at again once
-- the row is locked. A claim that would last much longer than claims do is of a clock that was set back since: not just
-- longer, for now() is when this began, and others may have claimed later.
WITH due AS (
    SELECT
        organization_id, id, next_at, row_number() OVER (PARTITION BY organization_id ORDER BY next_at, id) AS turn
    FROM monitor
    WHERE next_at <= coalesce($1::timestamptz, now()) AND (
        claimed_until IS NULL OR claimed_until <= coalesce($1, now())
        OR claimed_until > coalesce($1, now()) + 2 * $3::interval
    )
),
first AS (
    SELECT organization_id, id
    FROM due
    ORDER BY turn, next_at
    LIMIT $2
),
claimed AS (
    SELECT m.organization_id, m.id
    FROM monitor AS m
    JOIN first AS f ON f.organization_id = m.organization_id AND f.id = m.id
    WHERE m.next_at <= coalesce($1, now()) AND (
        m.claimed_until IS NULL OR m.claimed_until <= coalesce($1, now())
        OR m.claimed_until > coalesce($1, now()) + 2 * $3
    )
    FOR UPDATE OF m SKIP LOCKED
)
UPDATE monitor AS m SET claimed_until = coalesce($1, now()) + $3
FROM claimed AS c
WHERE m.organization_id = c.organization_id AND m.id = c.id
RETURNING
    m.organization_id, m.id::text AS id, m.revision, m.definition, m.created_at, m.updated_at, m.evaluated_until,
    m.next_at, m.stand, m.failures, m.error, m.failing_since, coalesce($1, now()) AS clock

-- name: store
-- The results of evaluations, each of which began when $4 was the end of the last period and $3 the revision.
UPDATE monitor AS m SET
    evaluated_until = r.new_evaluated_until, next_at = r.next_at, stand = r.stand::jsonb, claimed_until = NULL,
    failures = 0, error = NULL, failing_since = NULL
FROM unnest(
    $1::integer[], $2::text[]::uuid[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[]
) AS r (organization_id, id, revision, evaluated_until, new_evaluated_until, next_at, stand)
WHERE m.organization_id = r.organization_id AND m.id = r.id AND m.revision = r.revision
    AND m.evaluated_until = r.evaluated_until
RETURNING m.id::text

-- name: store_failure
-- As store, of an evaluation that failed because of $5; the next attempt is at $6.
UPDATE monitor SET
    next_at = $6, claimed_until = NULL, failures = failures + 1, error = $5,
    failing_since = coalesce(failing_since, $7)
WHERE organization_id = $1 AND id = $2::text::uuid AND revision = $3 AND evaluated_until = $4
RETURNING true

-- name: record
INSERT INTO monitor_change (
    organization_id, monitor_id, happened_at, group_value, previous_state, state, value, base_value, count, reason
)
SELECT $1, $2::text::uuid, c.*
FROM unnest(
    $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::double precision[], $8::double precision[], $9::bigint[],
    $10::text[]
) AS c

-- name: prune
-- At most $2 changes that are older than $1 days, of all organizations.
DELETE FROM monitor_change
WHERE (organization_id, monitor_id, id) IN (
    SELECT organization_id, monitor_id, id
    FROM monitor_change
    WHERE recorded_at < now() - make_interval(days => $1)
    LIMIT $2
)
RETURNING true
