-- Deleting old requests. Every writer of scores locks the request's row first, and so does this.

-- name: claim
-- Held until the end of the transaction.
SELECT pg_try_advisory_xact_lock(7276518024552)

-- name: claim_history
-- The same for the history.
SELECT pg_try_advisory_xact_lock(7276518024553)

-- name: list_organizations
SELECT id FROM organization ORDER BY id

-- name: remove_requests
-- Materialized: the rows are chosen and locked once, whatever the plan of the DELETE.
WITH old AS MATERIALIZED (
    SELECT r.request_id
    FROM request AS r
    WHERE r.organization_id = $1 AND r.created_at < $2
    ORDER BY r.created_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
DELETE FROM request AS r
USING old
WHERE r.organization_id = $1 AND r.request_id = old.request_id
RETURNING r.request_no

-- name: remove_history
-- runs on the node of $7
-- Of the $6 rows of history after the given one (request, organization, name, time): removes those with their comments
-- that were replaced before $5, and returns how many, and the last row walked, null behind the end. An opinion that
-- never was the score (aside) is replaced by whatever came later; the score itself by what took its place. All
-- organizations of a group at once: each one's rows are spread over the whole index.
-- Rows that a writer holds are left to a later walk: two that wait for each other would deadlock.
WITH walked AS MATERIALIZED (
    SELECT h.request_no, h.organization_id, h.name_id, h.scored_at
    FROM score_history AS h
    WHERE (h.request_no, h.organization_id, h.name_id, h.scored_at)
        > ($1::bigint, $2::integer, $3::integer, $4::timestamptz)
        AND $7::integer IS NOT NULL
    ORDER BY h.request_no, h.organization_id, h.name_id, h.scored_at
    LIMIT $6
),
old AS MATERIALIZED (
    SELECT h.request_no, h.organization_id, h.name_id, h.scored_at
    FROM walked AS w
    JOIN score_history AS h
        ON h.request_no = w.request_no AND h.organization_id + 0 = w.organization_id
        AND h.name_id = w.name_id AND h.scored_at = w.scored_at
    WHERE h.scored_at < $5 AND (
        EXISTS (
            SELECT FROM score AS s
            WHERE s.request_no = h.request_no AND s.organization_id + 0 = h.organization_id
            AND s.name_id = h.name_id AND s.scored_at > h.scored_at AND s.scored_at < $5
        )
        OR EXISTS (
            SELECT FROM score_history AS l
            WHERE l.request_no = h.request_no AND l.organization_id + 0 = h.organization_id
            AND l.name_id = h.name_id AND l.scored_at > h.scored_at AND l.scored_at < $5
            AND (h.is_aside OR l.is_aside IS NULL)
        )
    )
    FOR UPDATE OF h SKIP LOCKED
),
removed AS (
    DELETE FROM score_history AS h
    USING old
    WHERE h.request_no = old.request_no AND h.organization_id + 0 = old.organization_id
    AND h.name_id = old.name_id AND h.scored_at = old.scored_at
    RETURNING h.request_no, h.organization_id, h.name_id, h.scored_at
),
uncommented AS (
    DELETE FROM score_comment AS c
    USING removed
    WHERE c.request_no = removed.request_no AND c.organization_id + 0 = removed.organization_id
    AND c.name_id = removed.name_id AND c.scored_at = removed.scored_at
)
SELECT (SELECT count(*) FROM removed) AS removed, last.request_no, last.organization_id, last.name_id, last.scored_at
FROM (VALUES (true)) AS one
LEFT JOIN LATERAL (
    SELECT w.request_no, w.organization_id, w.name_id, w.scored_at FROM walked AS w
    ORDER BY w.request_no DESC, w.organization_id DESC, w.name_id DESC, w.scored_at DESC
    LIMIT 1
) AS last ON true
