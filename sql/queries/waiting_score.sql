-- Scores that name a response which is not logged yet. Who logs a response takes what waits for it (`log.sql`).
--
-- Neither may miss the other: who brings a score locks the response's id, then looks for the request, then lets the score
-- wait; who logs a request stores it, then locks the id of its response (shared: logs do not wait for each other), then
-- looks for scores. Each look is a statement after the one that locks, and so sees what was committed before the lock was
-- had. Who holds the lock of a score waits for no request's row, which is why a score whose request is found is recorded
-- in a transaction of its own.

-- name: lock
-- runs on the node of $1
-- Until the end of the transaction, in one order for all.
SELECT pg_advisory_xact_lock(n.key)
FROM (
    SELECT DISTINCT hashtextextended(r.response_id, $1::integer) AS key FROM unnest($2::text[]) AS r (response_id)
    ORDER BY 1
) AS n

-- name: find_requests
-- Of several requests with one response, the newest.
SELECT DISTINCT ON (n.response_id) n.response_id, r.request_id
FROM unnest($2::text[]) AS n (response_id)
JOIN request AS r
    ON r.organization_id = $1 AND hashtextextended(r.response_id, 0) = hashtextextended(n.response_id, 0)
    AND r.response_id = n.response_id
ORDER BY n.response_id, r.created_at DESC, r.request_id

-- name: is_full
SELECT EXISTS (SELECT FROM waiting_score WHERE organization_id = $1 OFFSET $2)

-- name: add
INSERT INTO waiting_score (organization_id, posted_at, response_id, name_id, origin_id, value, is_boolean, comment)
SELECT $1, $2, n.response_id, n.name_id, n.origin_id, n.value, n.is_boolean, n.comment
FROM unnest($3::text[], $4::integer[], $5::integer[], $6::bigint[], $7::boolean[], $8::text[])
    WITH ORDINALITY AS n (response_id, name_id, origin_id, value, is_boolean, comment, place)
ORDER BY n.place

-- name: prune
-- Of the oldest $2, those that waited for longer than $3.
DELETE FROM waiting_score
WHERE organization_id = $1 AND id = ANY (ARRAY(
    SELECT w.id
    FROM (
        SELECT o.id, o.posted_at
        FROM waiting_score AS o
        WHERE o.organization_id = $1
        ORDER BY o.id
        LIMIT $2
        FOR UPDATE SKIP LOCKED
    ) AS w
    WHERE w.posted_at < now() - $3::interval
))
