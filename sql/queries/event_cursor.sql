-- Up to where events have become deliveries, and the work of the one service that makes them: about all organizations.
-- There is a cursor for each group of organizations that are kept together, and node that wrote events of them.

-- name: look
-- The cursors, who has destinations, and how long the delivery has waited that has waited longest. It runs every second in every service, so it
-- reads no more than an index: of each destination the first delivery that waits.
SELECT
    ARRAY(SELECT group_id FROM event_cursor ORDER BY group_id, node) AS groups,
    ARRAY(SELECT node FROM event_cursor ORDER BY group_id, node) AS nodes,
    ARRAY(SELECT from_snapshot::text FROM event_cursor ORDER BY group_id, node) AS seen,
    ARRAY(SELECT to_snapshot IS NOT NULL FROM event_cursor ORDER BY group_id, node) AS is_begun,
    ARRAY(SELECT DISTINCT organization_id FROM destination WHERE disabled_at IS NULL) AS organizations,
    coalesce(
        bool_or(first.next_attempt_at <= now() AND (d.claimed_until IS NULL OR d.claimed_until <= now())), false
    ) AS is_due,
    coalesce(extract(epoch FROM now() - min(first.waiting_since)), 0)::float8 AS waited_s
FROM destination AS d
CROSS JOIN LATERAL (
    SELECT w.next_attempt_at, w.waiting_since
    FROM delivery AS w
    WHERE w.destination_id = d.id AND w.state = 'waiting'
    ORDER BY w.number
    LIMIT 1
) AS first
WHERE d.disabled_at IS NULL

-- name: begin
-- Before all events, unless it has begun.
INSERT INTO event_cursor (group_id, node, from_snapshot)
VALUES ($1, $2, $3::text::pg_snapshot)
ON CONFLICT ON CONSTRAINT event_cursor_pkey DO NOTHING

-- name: lock
-- Nothing while another service holds it. The snapshot of now must be taken by a later statement: this one's may be older
-- than the row that it finds.
SELECT from_snapshot::text AS from_snapshot, to_snapshot::text AS to_snapshot, after_id
FROM event_cursor
WHERE group_id = $1 AND node = $2
FOR UPDATE SKIP LOCKED

-- name: move
UPDATE event_cursor
SET from_snapshot = $3::text::pg_snapshot, to_snapshot = $4::text::pg_snapshot, after_id = $5
WHERE group_id = $1 AND node = $2
