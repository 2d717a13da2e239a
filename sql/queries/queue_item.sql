-- The requests of review queues. They go with their requests (queue_item_request_no_fkey).

-- name: lock
-- For a change of the items, which take turns: how many there are, and how many reviewers each has.
SELECT q.reviewers_per_item, (
    SELECT count(*) FROM queue_item AS i WHERE i.organization_id = $1 AND i.queue_id = q.id
) AS items
FROM review_queue AS q
WHERE q.organization_id = $1 AND q.id = $2::text::uuid
FOR UPDATE

-- name: find_numbers
-- Of the requests $2, in their order; those that are unknown are missing.
SELECT r.request_no
FROM unnest($2::text[]) WITH ORDINALITY AS g (request_id, place)
JOIN request AS r ON r.organization_id = $1 AND r.request_id = g.request_id
ORDER BY g.place

-- name: add
-- runs on the node of $1
-- The requests of the numbers $3 in their order, each with $4 places, but for those that are gone or there already. Where
-- more are new than $5, none is added. Returns how many are new.
WITH there AS MATERIALIZED (
    SELECT r.request_no
    FROM request AS r
    WHERE r.request_no = ANY ($3::bigint[]) AND r.organization_id = $1::integer::oid
    FOR KEY SHARE
),
given AS (
    SELECT g.request_no, row_number() OVER (ORDER BY min(g.place)) AS place, count(*) OVER () AS count
    FROM unnest($3::bigint[]) WITH ORDINALITY AS g (request_no, place)
    JOIN there AS r ON r.request_no = g.request_no
    WHERE NOT EXISTS (
        SELECT FROM queue_item AS i
        WHERE i.request_no = g.request_no AND i.organization_id = $1 AND i.queue_id = $2::text::uuid
    )
    GROUP BY g.request_no
),
added AS (
    INSERT INTO queue_item (organization_id, queue_id, position, request_no)
    SELECT $1, $2::text::uuid, g.place + coalesce((
        SELECT max(i.position) FROM queue_item AS i WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid
    ), 0), g.request_no
    FROM given AS g
    WHERE g.count <= $5
    RETURNING position
),
places AS (
    INSERT INTO queue_review (organization_id, queue_id, position, place)
    SELECT $1, $2::text::uuid, a.position, p.place
    FROM added AS a
    CROSS JOIN generate_series(1, $4::smallint) AS p (place)
)
SELECT count(*) FROM given

-- name: unskip
-- Hands the requests of the numbers $3 out again to those who skipped them.
UPDATE queue_item AS i
SET skipped_by = '{}'
WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid AND i.request_no = ANY ($3::bigint[]) AND i.skipped_by <> '{}'

-- name: remove
DELETE FROM queue_item AS i
USING request AS r
WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid
AND r.organization_id = $1 AND r.request_id = $3 AND i.request_no = r.request_no
RETURNING i.position

-- name: list
-- $4 of them after the position $3.
SELECT
    i.position, r.request_id, r.created_at,
    ARRAY(
        SELECT p.reviewer FROM queue_review AS p
        WHERE p.organization_id = $1 AND p.queue_id = i.queue_id AND p.position = i.position AND p.done_at IS NOT NULL
        ORDER BY p.done_at
    ) AS done_by,
    ARRAY(
        SELECT p.reviewer FROM queue_review AS p
        WHERE p.organization_id = $1 AND p.queue_id = i.queue_id AND p.position = i.position AND p.done_at IS NULL
        AND p.reserved_until > now()
        ORDER BY p.reserved_until
    ) AS reserved_by,
    i.skipped_by, (
        SELECT count(*) FROM queue_review AS p
        WHERE p.organization_id = $1 AND p.queue_id = i.queue_id AND p.position = i.position
    ) AS places
FROM queue_item AS i
JOIN request AS r ON r.request_no = i.request_no AND r.organization_id = $1
WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid AND i.position > $3
ORDER BY i.position
LIMIT $4

-- name: find
-- The item of a request, to the reviewer $4.
SELECT
    i.position, i.request_no, (
        SELECT count(*) FROM queue_item AS b
        WHERE b.organization_id = $1 AND b.queue_id = i.queue_id AND b.position <= i.position
    ) AS number, (
        SELECT count(*) FROM queue_item AS b WHERE b.organization_id = $1 AND b.queue_id = i.queue_id
    ) AS of,
    p.reserved_until, p.done_at, $4::text = ANY (i.skipped_by) AS is_skipped
FROM request AS r
JOIN queue_item AS i ON i.request_no = r.request_no AND i.organization_id = $1
LEFT JOIN queue_review AS p
    ON p.organization_id = $1 AND p.queue_id = i.queue_id AND p.position = i.position AND p.reviewer = $4
WHERE r.organization_id = $1 AND i.queue_id = $2::text::uuid AND r.request_id = $3

-- name: requests
-- Of all items: ids and times.
SELECT r.request_id, r.created_at
FROM queue_item AS i
JOIN request AS r ON r.request_no = i.request_no AND r.organization_id = $1
WHERE i.organization_id = $1 AND i.queue_id = $2::text::uuid
ORDER BY i.position
