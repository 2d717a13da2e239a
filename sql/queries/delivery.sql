-- Deliveries: events on their way to destinations.

-- name: find_matching
-- Those of the requests $2 that match a filter.
SELECT r.request_no
FROM request AS r
WHERE r.organization_id = $1 AND r.request_no = ANY ($2::bigint[])
    AND /* where */ true /* end */

-- name: add
-- In order: they are sent in that of their numbers. The destination is locked as the foreign key locks it, but first: one
-- that is removed meanwhile gets none.
WITH kept AS (
    SELECT d.organization_id, d.id FROM destination AS d WHERE d.organization_id = $1 AND d.id = $2 FOR KEY SHARE
)
INSERT INTO delivery (organization_id, destination_id, type, body)
SELECT k.organization_id, k.id, n.type, n.body::json
FROM kept AS k
CROSS JOIN unnest($3::text[], $4::text[]) WITH ORDINALITY AS n (type, body, place)
ORDER BY n.place

-- name: claim
-- Up to $2 destinations of the kinds $1 to which a delivery is due and nobody sends, those first that have waited longest
-- for a turn. Of all organizations.
UPDATE destination AS d
SET claimed_until = clock_timestamp() + interval '30 seconds'
FROM (
    SELECT f.id
    FROM destination AS f
    CROSS JOIN LATERAL (
        SELECT w.next_attempt_at
        FROM delivery AS w
        WHERE w.destination_id = f.id AND w.state = 'waiting'
        ORDER BY w.number
        LIMIT 1
    ) AS first
    WHERE f.kind = ANY ($1::text[]) AND f.disabled_at IS NULL AND first.next_attempt_at <= now()
    AND (f.claimed_until IS NULL OR f.claimed_until <= now())
    ORDER BY f.claimed_until NULLS FIRST, first.next_attempt_at
    LIMIT $2
    FOR UPDATE OF f SKIP LOCKED
) AS due
WHERE d.id = due.id
RETURNING d.organization_id, d.id AS destination_id, d.claimed_until

-- name: renew
-- Nothing where the claim was lost: it took too long, or the destination was disabled.
UPDATE destination
SET claimed_until = clock_timestamp() + interval '30 seconds'
WHERE organization_id = $1 AND id = $2 AND claimed_until = $3 AND disabled_at IS NULL
RETURNING
    id, organization_id, kind, name, address, events, options, secret,
    CASE WHEN old_secret_until > now() THEN old_secret END AS old_secret,
    CASE WHEN old_secret_until > now() THEN old_secret_until END AS old_secret_until,
    created_at, failing_since, disabled_at, disabled_reason, digest, digest_hour, digest_at, claimed_until

-- name: release
UPDATE destination SET claimed_until = clock_timestamp() WHERE organization_id = $1 AND id = $2 AND claimed_until = $3

-- name: find_first
-- The first delivery that waits, if it is due.
SELECT w.number, w.id, w.type, w.body::text AS body, w.attempts
FROM (
    SELECT f.number, f.id, f.type, f.body, f.attempts, f.next_attempt_at
    FROM delivery AS f
    WHERE f.organization_id = $1 AND f.destination_id = $2 AND f.state = 'waiting'
    ORDER BY f.number
    LIMIT 1
) AS w
WHERE w.next_attempt_at <= now()

-- name: note_success
UPDATE destination SET failing_since = NULL WHERE organization_id = $1 AND id = $2

-- name: note_failure
UPDATE destination SET failing_since = coalesce(failing_since, now()) WHERE organization_id = $1 AND id = $2

-- name: deliver
UPDATE delivery
SET state = 'delivered', attempts = attempts + 1, last_attempt_at = now(), last_status = $3, last_error = NULL
WHERE organization_id = $1 AND number = $2

-- name: fail
-- It is tried again after $5, unless that is more than a day after it began to wait, or never ($5 is null).
UPDATE delivery
SET
    attempts = attempts + 1, last_attempt_at = now(), last_status = $3, last_error = $4,
    next_attempt_at = now() + coalesce($5::interval, '0'),
    state = CASE WHEN now() + $5 <= waiting_since + interval '24 hours' THEN 'waiting' ELSE 'parked' END
WHERE organization_id = $1 AND number = $2 AND state = 'waiting'
RETURNING state

-- name: is_dead
-- Whether every delivery to a destination has failed for three days.
SELECT coalesce(failing_since <= now() - interval '3 days', false)
FROM destination
WHERE organization_id = $1 AND id = $2

-- name: list
-- Of a destination, the newest first, in a state (null: any), older than the delivery of the id $4 (null: than none).
SELECT
    id, type, state, attempts, created_at, CASE WHEN state = 'waiting' THEN next_attempt_at END AS next_attempt_at,
    last_attempt_at, last_status, last_error
FROM delivery
WHERE organization_id = $1 AND destination_id = $2 AND ($3::text IS NULL OR state = $3)
    AND ($4::uuid IS NULL OR number < (
        SELECT a.number FROM delivery AS a WHERE a.organization_id = $1 AND a.destination_id = $2 AND a.id = $4
    ))
ORDER BY number DESC
LIMIT $5

-- name: find_one
-- With up to $4 characters of its body.
SELECT
    id, type, state, attempts, created_at, CASE WHEN state = 'waiting' THEN next_attempt_at END AS next_attempt_at,
    last_attempt_at, last_status, last_error, left(body::text, $4) AS body
FROM delivery
WHERE organization_id = $1 AND destination_id = $2 AND id = $3

-- name: resend
UPDATE delivery
SET state = 'waiting', attempts = 0, waiting_since = now(), next_attempt_at = now()
WHERE organization_id = $1 AND destination_id = $2 AND id = $3
RETURNING id

-- name: note_test
-- A delivery that was sent at once, and came to an end.
INSERT INTO delivery (
    organization_id, destination_id, id, type, body, state, attempts, last_attempt_at, last_status, last_error
)
SELECT $1, d.id, $3, $4, $5::text::json, $6, 1, now(), $7, $8
FROM destination AS d
WHERE d.organization_id = $1 AND d.id = $2
RETURNING id

-- name: remove_old
-- Up to $1 that were delivered a week ago or parked a month ago, by when they were made.
DELETE FROM delivery AS d
USING (
    SELECT o.number
    FROM delivery AS o
    WHERE o.state <> 'waiting' AND o.created_at < now() - interval '7 days'
    AND (o.state = 'delivered' OR o.created_at < now() - interval '30 days')
    ORDER BY o.created_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
) AS old
WHERE d.number = old.number
