-- Up to where events have become deliveries, and the work of the one service that makes them: about all organizations.

-- name: look
-- Whether there is something to do, and how long the delivery has waited that has waited longest. It runs every second in
-- every service, so it reads no more than indexes: the first event of each transaction that ran when the cursor moved and of
-- those that have begun since (as event.read_between, and for its reason), and of each destination the first delivery that
-- waits. ORDER BY is for the planner: for any one row of many that it expects, it would read the whole table.
SELECT
    c.is_only IS NULL OR c.to_snapshot IS NOT NULL
    OR pg_snapshot_xmax(c.from_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
    OR EXISTS (
        SELECT FROM pg_snapshot_xip(c.from_snapshot) AS running (transaction_id)
        CROSS JOIN LATERAL (
            SELECT e.id FROM event AS e WHERE e.transaction_id = running.transaction_id ORDER BY e.id LIMIT 1
        ) AS first
    )
    OR (
        SELECT e.id FROM event AS e
        WHERE e.transaction_id >= pg_snapshot_xmax(c.from_snapshot)
        ORDER BY e.transaction_id
        LIMIT 1
    ) IS NOT NULL AS has_events,
    w.is_due, w.waited_s
FROM (VALUES (true)) AS one (row)
LEFT JOIN event_cursor AS c ON true
CROSS JOIN LATERAL (
    SELECT
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
) AS w

-- name: begin
-- Now, unless it has begun.
INSERT INTO event_cursor (from_snapshot)
VALUES (pg_current_snapshot())
ON CONFLICT ON CONSTRAINT event_cursor_pkey DO NOTHING

-- name: lock
-- Nothing while another service holds it. The snapshot of now must be taken by a later statement: this one's may be older
-- than the row that it finds.
SELECT from_snapshot::text AS from_snapshot, to_snapshot::text AS to_snapshot, after_id
FROM event_cursor
FOR UPDATE SKIP LOCKED

-- name: is_foreign
-- Whether the cursor was written by another cluster, and came here in a dump: it has seen transactions that are not yet.
SELECT pg_snapshot_xmax(coalesce(to_snapshot, from_snapshot)) > pg_snapshot_xmax(pg_current_snapshot())
FROM event_cursor

-- name: move
UPDATE event_cursor SET from_snapshot = $1::text::pg_snapshot, to_snapshot = $2::text::pg_snapshot, after_id = $3

-- name: remove_foreign_events
-- Those of transactions that have not begun here: once they have, other events would have the same numbers.
DELETE FROM event WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
