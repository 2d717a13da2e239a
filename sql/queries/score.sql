-- Scores and their names.

-- name: add_names
INSERT INTO score_name (organization_id, name)
SELECT $1, n.name FROM unnest($2::text[]) AS n (name) ORDER BY n.name
ON CONFLICT ON CONSTRAINT score_name_name_key DO NOTHING

-- name: find_names
SELECT name, id FROM score_name WHERE organization_id = $1 AND name = ANY ($2::text[])

-- name: record
-- A batch of posts. $1..$3 have one element for each post (organization, request id, time), $4..$7 one for each score
-- (number of its post, from 1; name; value; whether it was a boolean), as array literals.
--
-- The requests' rows are upserted first, in one order for all writers, and so locked until the commit: two writers of
-- one request wait for each other instead of deadlocking, and the time that a score copies from its request cannot
-- change in between. Where $8 is false, only requests that exist are scored, and returned.
-- New requests get their numbers in order of arrival, and scores are written in order of those numbers. So number, time
-- and place in the table rise together, and every index except the one of values is only appended to.
-- A request that this statement makes (xmax is 0) has no scores yet, and no other transaction can add any before the
-- commit: its scores are inserted without a check for conflicts, a fourth of the work. Should that ever be wrong, the
-- primary key refuses the batch.
-- An equal score posted again changes nothing and costs next to nothing. $9 is the lock timeout in milliseconds: set
-- here, it takes no round trip, and it ends with the transaction.
WITH posted AS (
    INSERT INTO request AS r (request_no, organization_id, request_id, created_at, updated_at)
    SELECT n.request_no, n.organization_id, n.request_id, n.posted_at, n.posted_at
    FROM (SELECT set_config('lock_timeout', $9::text, true)) AS timeout, (
        SELECT nextval('request_request_no_seq') AS request_no, p.organization_id, p.request_id, p.posted_at
        FROM unnest($1::integer[], $2::text[], $3::timestamptz[]) AS p (organization_id, request_id, posted_at)
        WHERE $8::boolean OR EXISTS (
            SELECT FROM request AS known
            WHERE known.organization_id = p.organization_id AND known.request_id = p.request_id
        )
    ) AS n
    ORDER BY n.organization_id, n.request_id COLLATE "C"
    ON CONFLICT ON CONSTRAINT request_pkey
    DO UPDATE SET updated_at = greatest(r.updated_at, excluded.updated_at)
    RETURNING r.organization_id, r.request_id, r.request_no, r.created_at, r.xmax = 0 AS is_new
),
given AS (
    SELECT v.value, posted.request_no, posted.created_at, p.posted_at, posted.organization_id, v.name_id,
        nullif(v.is_boolean, false) AS is_boolean, posted.is_new
    FROM unnest($1::integer[], $2::text[], $3::timestamptz[])
        WITH ORDINALITY AS p (organization_id, request_id, posted_at, post)
    JOIN posted ON posted.organization_id = p.organization_id AND posted.request_id = p.request_id
    JOIN unnest($4::text::integer[], $5::text::integer[], $6::text::bigint[], $7::text::boolean[])
        AS v (post, name_id, value, is_boolean)
        ON v.post = p.post
    ORDER BY posted.request_no, v.name_id
),
made AS (
    INSERT INTO score (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean)
    SELECT value, request_no, created_at, posted_at, organization_id, name_id, is_boolean FROM given WHERE is_new
),
recorded AS (
    INSERT INTO score AS s (value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean)
    SELECT value, request_no, created_at, posted_at, organization_id, name_id, is_boolean FROM given WHERE NOT is_new
    ON CONFLICT ON CONSTRAINT score_pkey
    DO UPDATE SET value = excluded.value, is_boolean = excluded.is_boolean, scored_at = excluded.scored_at
    WHERE (s.value, s.is_boolean) IS DISTINCT FROM (excluded.value, excluded.is_boolean)
)
SELECT organization_id, request_id FROM posted WHERE NOT $8::boolean

-- name: try_lock_uploads
SELECT pg_try_advisory_xact_lock(727651802, $1)

-- name: find_scores
SELECT n.name, s.value, s.is_boolean IS NOT NULL AS is_boolean
FROM request AS r
JOIN score AS s ON s.organization_id = r.organization_id AND s.request_no = r.request_no
JOIN score_name AS n ON n.id = s.name_id
WHERE r.organization_id = $1 AND r.request_id = $2
ORDER BY n.name

-- name: list_kinds
-- Whether a name is used for booleans: its newest score says. One step into an index for each name.
SELECT n.name, newest.is_boolean IS NOT NULL AS is_boolean
FROM score_name AS n
CROSS JOIN LATERAL (
    SELECT s.is_boolean
    FROM score AS s
    WHERE s.organization_id = n.organization_id AND s.name_id = n.id
    ORDER BY s.request_created_at DESC
    LIMIT 1
) AS newest
WHERE n.organization_id = $1
ORDER BY n.name
LIMIT $2

-- name: remove_score
-- Locks the request's row first, as every writer does: else two could wait for each other.
WITH touched AS (
    UPDATE request AS r
    SET updated_at = $4
    WHERE r.organization_id = $1 AND r.request_id = $2 AND EXISTS (
        SELECT FROM score AS s
        WHERE s.organization_id = r.organization_id AND s.request_no = r.request_no AND s.name_id = $3
    )
    RETURNING r.organization_id, r.request_no
)
DELETE FROM score AS s
USING touched
WHERE s.organization_id = touched.organization_id AND s.request_no = touched.request_no AND s.name_id = $3
RETURNING s.request_no

-- name: remove_scores
-- Runs after a statement that removed the requests, and waited for their writers: this one sees what they wrote.
DELETE FROM score WHERE organization_id = $1 AND request_no = ANY ($2::bigint[])
