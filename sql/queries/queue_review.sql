-- Who reviews which item: places are reserved, finished and given back.

-- name: reserve
-- runs on the node of $1
-- The item that the reviewer $3 has in work, or else the first with a free place: nobody has it, or had it for too long.
-- Others reserve at the same time, each another row; what they have changed is looked at again once it is locked.
WITH queue AS (
    SELECT q.reservation_minutes
    FROM review_queue AS q
    WHERE q.organization_id = $1 AND q.id = $2::text::uuid AND q.closed_at IS NULL
),
own AS (
    SELECT p.position, p.place
    FROM queue_review AS p
    WHERE p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.reviewer = $3 AND p.done_at IS NULL
    FOR UPDATE
),
free AS (
    SELECT p.position, p.place
    FROM queue_review AS p
    WHERE p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.done_at IS NULL
    AND (p.reserved_until IS NULL OR p.reserved_until <= now())
    AND NOT EXISTS (SELECT FROM own)
    AND NOT EXISTS (
        SELECT FROM queue_review AS mine
        WHERE mine.organization_id = $1 AND mine.queue_id = p.queue_id AND mine.position = p.position
        AND mine.reviewer = $3
    )
    AND NOT EXISTS (
        SELECT FROM queue_item AS i
        WHERE i.organization_id = $1 AND i.queue_id = p.queue_id AND i.position = p.position
        AND $3 = ANY (i.skipped_by)
    )
    ORDER BY p.position, p.place
    LIMIT 1
    FOR UPDATE SKIP LOCKED
),
reserved AS (
    UPDATE queue_review AS p
    SET reviewer = $3, reserved_until = now() + make_interval(mins => q.reservation_minutes)
    FROM queue AS q, (SELECT * FROM own UNION ALL SELECT * FROM free) AS c
    WHERE p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.position = c.position AND p.place = c.place
    RETURNING p.position
)
SELECT r.request_id
FROM reserved AS s
JOIN queue_item AS i ON i.organization_id = $1 AND i.queue_id = $2::text::uuid AND i.position = s.position
JOIN request AS r ON r.request_no = i.request_no AND r.organization_id = $1

-- name: has_left
-- Whether `reserve` finds an item, once those are through who are at it.
SELECT EXISTS (
    SELECT FROM queue_review AS p
    JOIN review_queue AS q ON q.organization_id = $1 AND q.id = p.queue_id AND q.closed_at IS NULL
    WHERE p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.done_at IS NULL AND (
        p.reviewer = $3
        OR (
            (p.reserved_until IS NULL OR p.reserved_until <= now())
            AND NOT EXISTS (
                SELECT FROM queue_review AS mine
                WHERE mine.organization_id = $1 AND mine.queue_id = p.queue_id AND mine.position = p.position
                AND mine.reviewer = $3
            )
            AND NOT EXISTS (
                SELECT FROM queue_item AS i
                WHERE i.organization_id = $1 AND i.queue_id = p.queue_id AND i.position = p.position
                AND $3 = ANY (i.skipped_by)
            )
        )
    )
)

-- name: lock_request
-- Before its places are: so do those who delete requests.
SELECT r.request_no FROM request AS r WHERE r.organization_id = $1 AND r.request_id = $2 FOR NO KEY UPDATE

-- name: finish
-- runs on the node of $1
-- The reviewer's own place, or else a free one.
WITH chosen AS (
    SELECT p.place
    FROM queue_review AS p
    WHERE p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.position = $3 AND (
        p.reviewer = $4
        OR (
            p.done_at IS NULL AND (p.reserved_until IS NULL OR p.reserved_until <= now())
            AND NOT EXISTS (
                SELECT FROM queue_review AS mine
                WHERE mine.organization_id = $1 AND mine.queue_id = p.queue_id AND mine.position = p.position
                AND mine.reviewer = $4
            )
        )
    )
    ORDER BY p.place
    LIMIT 1
    FOR UPDATE
)
UPDATE queue_review AS p
SET reviewer = $4, reserved_until = NULL, done_at = coalesce(p.done_at, now())
FROM chosen AS c
WHERE p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.position = $3 AND p.place = c.place
RETURNING p.done_at

-- name: skip
-- runs on the node of $1
-- Gives the place back, and notes that the reviewer wants the item no more. Nothing where they have done it.
WITH freed AS (
    UPDATE queue_review AS p
    SET reviewer = NULL, reserved_until = NULL
    WHERE p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.position = $3 AND p.reviewer = $4
    AND p.done_at IS NULL
)
UPDATE queue_item AS i
SET skipped_by = CASE WHEN $4 = ANY (i.skipped_by) THEN i.skipped_by ELSE array_append(i.skipped_by, $4) END
WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid AND i.position = $3
AND NOT EXISTS (
    SELECT FROM queue_review AS p
    WHERE p.organization_id = $1 AND p.queue_id = i.queue_id AND p.position = i.position AND p.reviewer = $4
    AND p.done_at IS NOT NULL
)
RETURNING i.position

-- name: opinions
-- Of the $4 items after the position $3, what those who have done them gave under the queue's scores: of each reviewer
-- and score the newest value, as find_opinions of domain/score_changes.py has it.
SELECT
    i.position, r.request_id, p.reviewer, p.done_at, n.name, c.value, c.is_boolean, c.scored_at, m.comment
FROM (
    SELECT i.position, i.request_no
    FROM queue_item AS i
    WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid AND i.position > $3
    ORDER BY i.position
    LIMIT $4
) AS i
JOIN request AS r ON r.request_no = i.request_no AND r.organization_id = $1
JOIN queue_review AS p
    ON p.organization_id = $1 AND p.queue_id = $2::text::uuid AND p.position = i.position AND p.done_at IS NOT NULL
JOIN review_queue AS q ON q.organization_id = $1 AND q.id = $2::text::uuid
JOIN score_name AS n ON n.organization_id = $1 AND n.name = ANY (q.scores)
CROSS JOIN LATERAL (
    SELECT c.value, c.is_boolean, c.scored_at
    FROM (
        SELECT s.value, s.is_boolean IS NOT NULL AS is_boolean, s.scored_at, s.origin_id, true AS is_present
        FROM score AS s
        WHERE s.request_no = i.request_no AND s.organization_id = $1::integer::oid AND s.name_id + 0 = n.id
        UNION ALL
        SELECT h.value, h.is_boolean IS NOT NULL, h.scored_at, h.origin_id, false
        FROM score_history AS h
        WHERE h.request_no = i.request_no AND h.organization_id = $1::integer::oid AND h.name_id + 0 = n.id
        AND h.taken_back_at IS NULL
    ) AS c
    JOIN score_origin AS o ON o.organization_id = $1 AND o.id = c.origin_id
    WHERE o.kind || ':' || o.name || coalesce('@' || nullif(o.version, ''), '') = p.reviewer
    ORDER BY c.is_present DESC, c.scored_at DESC
    LIMIT 1
) AS c
LEFT JOIN score_comment AS m
    ON m.request_no = i.request_no AND m.organization_id = $1 AND m.name_id = n.id AND m.scored_at = c.scored_at
WHERE c.value IS NOT NULL
ORDER BY i.position, p.reviewer, n.name

-- name: last_position
-- Of the $4 items after the position $3.
SELECT max(i.position)
FROM (
    SELECT i.position FROM queue_item AS i
    WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid AND i.position > $3
    ORDER BY i.position
    LIMIT $4
) AS i
