-- Review queues, without their items.

-- name: list
-- By name; $2: one of them, or null.
WITH of_item AS (
    SELECT
        p.queue_id, count(*) AS places, count(p.done_at) AS done,
        count(*) FILTER (WHERE p.done_at IS NULL AND p.reserved_until > now()) AS reserved
    FROM queue_review AS p
    WHERE p.organization_id = $1 AND ($2::text IS NULL OR p.queue_id = $2::text::uuid)
    GROUP BY p.queue_id, p.position
),
progress AS (
    SELECT
        queue_id, count(*) AS items, count(*) FILTER (WHERE done = places) AS items_done,
        count(*) FILTER (WHERE done < places AND done + reserved > 0) AS items_in_work,
        sum(places)::bigint AS reviews_wanted, sum(done)::bigint AS reviews_done
    FROM of_item
    GROUP BY queue_id
)
SELECT
    q.name, q.instructions, q.scores, q.reviewers_per_item, q.is_blind, q.reservation_minutes, q.id::text AS id,
    q.created_at, q.closed_at, coalesce(p.items, 0) AS items, coalesce(p.items_done, 0) AS items_done,
    coalesce(p.items_in_work, 0) AS items_in_work, coalesce(p.reviews_wanted, 0) AS reviews_wanted,
    coalesce(p.reviews_done, 0) AS reviews_done
FROM review_queue AS q
LEFT JOIN progress AS p ON p.queue_id = q.id
WHERE q.organization_id = $1 AND ($2::text IS NULL OR q.id = $2::text::uuid)
ORDER BY q.name

-- name: list_open
-- Without their items, which are many to count.
SELECT id::text AS id, name FROM review_queue WHERE organization_id = $1 AND closed_at IS NULL ORDER BY name

-- name: lock
-- So that calls that add queues take turns.
SELECT FROM organization WHERE id = $1 FOR NO KEY UPDATE

-- name: count
SELECT count(*) FROM review_queue WHERE organization_id = $1

-- name: add
-- Nothing where there is one of that name.
INSERT INTO review_queue (
    organization_id, name, instructions, scores, reviewers_per_item, is_blind, reservation_minutes
)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT ON CONSTRAINT review_queue_name_key DO NOTHING
RETURNING id::text

-- name: change
-- runs on the node of $1
-- Null: as it was. $6 closes it, or opens it again.
UPDATE review_queue
SET name = coalesce($3, name), instructions = coalesce($4, instructions),
    reservation_minutes = coalesce($5, reservation_minutes),
    closed_at = CASE WHEN $6::boolean THEN coalesce(closed_at, now()) WHEN NOT $6 THEN NULL ELSE closed_at END
WHERE organization_id = $1 AND id = $2::text::uuid
RETURNING id::text

-- name: remove
-- With its items, and the keys that review it.
DELETE FROM review_queue WHERE organization_id = $1 AND id = $2::text::uuid RETURNING id::text

-- name: reviewers
-- Who has worked on it, in order of how much.
WITH reviewed AS (
    SELECT p.reviewer, count(p.done_at) AS done, max(p.done_at) AS last_done_at,
        bool_or(p.done_at IS NULL AND p.reserved_until > now()) AS is_at_work
    FROM queue_review AS p
    WHERE p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.reviewer IS NOT NULL
    GROUP BY p.reviewer
),
skipped AS (
    SELECT s.reviewer COLLATE "C" AS reviewer, count(*) AS skipped
    FROM queue_item AS i
    CROSS JOIN unnest(i.skipped_by) AS s (reviewer)
    WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid
    GROUP BY s.reviewer
)
SELECT
    coalesce(r.reviewer, s.reviewer) AS author, coalesce(r.done, 0) AS done, coalesce(s.skipped, 0) AS skipped,
    coalesce(r.is_at_work, false) AS is_at_work, r.last_done_at
FROM reviewed AS r
FULL JOIN skipped AS s ON s.reviewer = r.reviewer
WHERE r.done > 0 OR r.is_at_work OR s.skipped > 0
ORDER BY done DESC, author

-- name: links
-- The usable keys that review it.
SELECT k.id, k.name, k.hint, k.created_at, k.expires_at
FROM api_key AS k
WHERE k.organization_id = $1 AND k.queue_id = $2::text::uuid AND k.revoked_at IS NULL AND k.expires_at > now()
ORDER BY k.id
