-- Scores and their names.

-- name: add_names
INSERT INTO score_name (organization_id, name)
SELECT $1, n.name FROM unnest($2::text[]) AS n (name) ORDER BY n.name
ON CONFLICT ON CONSTRAINT score_name_name_key DO NOTHING

-- name: find_names
SELECT name, id FROM score_name WHERE organization_id = $1 AND name = ANY ($2::text[])

-- name: record
-- runs on the node of $3
-- A batch of posts, none to the same request. $3..$5 and $10 have one element for each post (organization, request id,
-- time, origin), $6..$9 one for each score (number of its post, from 1; name; value; whether it was a boolean), as array
-- literals.
--
-- The requests' rows are upserted first, in one order for all writers, and so locked until the commit: two writers of
-- one request wait for each other instead of deadlocking, and the time that a score copies from its request cannot
-- change in between. Where $1 is false, only requests that exist are scored, and returned.
-- New requests get their numbers in order of arrival, and scores are written in order of those numbers. So number, time
-- and place in the table rise together, and every index except the one of values is only appended to.
-- A request that this statement makes (is_new) has no scores yet, and no other transaction can add any before the
-- commit: its scores are inserted without a check for conflicts, a fourth of the work. Should that ever be wrong, the
-- primary key refuses the batch.
-- An equal score of the same origin posted again changes nothing and costs next to nothing. One that is replaced is kept
-- by the table's trigger; the new one is later by a microsecond at least, whatever the clock says, since score and time
-- identify a change. $2 is the lock timeout in milliseconds: set here, it takes no round trip, and it ends with the
-- transaction.
WITH posted AS (
    INSERT INTO request AS r (request_no, organization_id, request_id, created_at, updated_at)
    SELECT n.request_no, n.organization_id, n.request_id, n.posted_at, n.posted_at
    FROM (SELECT set_config('lock_timeout', $2::text, true)) AS timeout, (
        SELECT nextval('request_request_no_seq') AS request_no, p.organization_id, p.request_id,
            date_trunc('milliseconds', p.posted_at) AS posted_at
        FROM unnest($3::integer[], $4::text[], $5::timestamptz[]) AS p (organization_id, request_id, posted_at)
        WHERE $1::boolean OR EXISTS (
            SELECT FROM request AS known
            WHERE known.organization_id = p.organization_id AND known.request_id = p.request_id
        )
    ) AS n
    ORDER BY n.organization_id, n.request_id COLLATE "C"
    ON CONFLICT ON CONSTRAINT request_pkey
    DO UPDATE SET updated_at = greatest(r.updated_at, excluded.updated_at)
    RETURNING r.organization_id, r.request_id, r.request_no, r.created_at, /* is_new */ r.xmax = 0 /* end */ AS is_new
),
given AS (
    SELECT v.value, posted.request_no, posted.created_at, p.posted_at, posted.organization_id, v.name_id, p.origin_id,
        nullif(v.is_boolean, false) AS is_boolean, posted.is_new
    FROM unnest($3::integer[], $4::text[], $5::timestamptz[], $10::integer[])
        WITH ORDINALITY AS p (organization_id, request_id, posted_at, origin_id, post)
    JOIN posted ON posted.organization_id = p.organization_id AND posted.request_id = p.request_id
    JOIN unnest($6::text::integer[], $7::text::integer[], $8::text::bigint[], $9::text::boolean[])
        AS v (post, name_id, value, is_boolean)
        ON v.post = p.post
    ORDER BY posted.request_no, v.name_id
),
made AS (
    INSERT INTO score (
        value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean, origin_id
    )
    SELECT value, request_no, created_at, posted_at, organization_id, name_id, is_boolean, origin_id
    FROM given
    WHERE is_new
),
recorded AS (
    INSERT INTO score AS s (
        value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean, origin_id
    )
    SELECT value, request_no, created_at, posted_at, organization_id, name_id, is_boolean, origin_id
    FROM given
    WHERE NOT is_new
    ON CONFLICT ON CONSTRAINT score_pkey
    DO UPDATE SET value = excluded.value, is_boolean = excluded.is_boolean, origin_id = excluded.origin_id,
        scored_at = greatest(excluded.scored_at, s.scored_at + interval '1 microsecond')
    WHERE (s.value, s.is_boolean, s.origin_id)
        IS DISTINCT FROM (excluded.value, excluded.is_boolean, excluded.origin_id)
)
SELECT organization_id, request_id FROM posted WHERE NOT $1::boolean

-- name: record_in_order
-- runs on the node of $3
-- The same for posts of which several may be to one request, or have comments. $3..$5 have one element for each request,
-- $6..$9 one for each value, in order of arrival within a request: the last one of a name is the score (`is_last`), the
-- others are its history at once. $2 is the lock timeout, $10..$13 belong to the values: origin, time, whether it is the
-- last one, comment.
-- What is equal to the present score is written all the same where another value came between, or where its comment is
-- another.
WITH posted AS (
    INSERT INTO request AS r (request_no, organization_id, request_id, created_at, updated_at)
    SELECT n.request_no, n.organization_id, n.request_id, n.posted_at, n.posted_at
    FROM (SELECT set_config('lock_timeout', $2::text, true)) AS timeout, (
        SELECT nextval('request_request_no_seq') AS request_no, p.organization_id, p.request_id,
            date_trunc('milliseconds', p.posted_at) AS posted_at
        FROM unnest($3::integer[], $4::text[], $5::timestamptz[]) AS p (organization_id, request_id, posted_at)
        WHERE $1::boolean OR EXISTS (
            SELECT FROM request AS known
            WHERE known.organization_id = p.organization_id AND known.request_id = p.request_id
        )
    ) AS n
    ORDER BY n.organization_id, n.request_id COLLATE "C"
    ON CONFLICT ON CONSTRAINT request_pkey
    DO UPDATE SET updated_at = greatest(r.updated_at, excluded.updated_at)
    RETURNING r.organization_id, r.request_id, r.request_no, r.created_at
),
given AS (
    SELECT v.value, posted.request_no, posted.created_at, v.scored_at, posted.organization_id, v.name_id, v.origin_id,
        nullif(v.is_boolean, false) AS is_boolean, v.is_last, v.comment,
        bool_or(NOT v.is_last) OVER (PARTITION BY posted.request_no, v.name_id) AS is_chain
    FROM unnest($3::integer[], $4::text[]) WITH ORDINALITY AS p (organization_id, request_id, post)
    JOIN posted ON posted.organization_id = p.organization_id AND posted.request_id = p.request_id
    JOIN unnest(
        $6::text::integer[], $7::text::integer[], $8::text::bigint[], $9::text::boolean[], $10::integer[],
        $11::timestamptz[], $12::boolean[], $13::text[]
    ) AS v (post, name_id, value, is_boolean, origin_id, scored_at, is_last, comment)
        ON v.post = p.post
    ORDER BY posted.request_no, v.name_id
),
recorded AS (
    INSERT INTO score AS s (
        value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean, origin_id
    )
    SELECT value, request_no, created_at, scored_at, organization_id, name_id, is_boolean, origin_id
    FROM given
    WHERE is_last
    ON CONFLICT ON CONSTRAINT score_pkey
    DO UPDATE SET value = excluded.value, is_boolean = excluded.is_boolean, origin_id = excluded.origin_id,
        scored_at = greatest(excluded.scored_at, s.scored_at + interval '1 microsecond')
    WHERE (s.value, s.is_boolean, s.origin_id)
            IS DISTINCT FROM (excluded.value, excluded.is_boolean, excluded.origin_id)
        OR EXISTS (
            SELECT FROM given AS g
            WHERE g.request_no = excluded.request_no AND g.name_id = excluded.name_id AND g.is_last
            AND (g.is_chain OR g.comment <> coalesce((
                SELECT c.comment
                FROM score_comment AS c
                WHERE c.request_no = s.request_no AND c.organization_id = s.organization_id
                AND c.name_id = s.name_id AND c.scored_at = s.scored_at
            ), ''))
        )
    RETURNING s.request_no, s.name_id, s.scored_at
),
overtaken AS (
    INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
    SELECT value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean
    FROM given
    WHERE NOT is_last
),
commented AS (
    INSERT INTO score_comment (request_no, scored_at, organization_id, name_id, comment)
    SELECT g.request_no, coalesce(w.scored_at, g.scored_at), g.organization_id, g.name_id, g.comment
    FROM given AS g
    LEFT JOIN recorded AS w ON w.request_no = g.request_no AND w.name_id = g.name_id AND g.is_last
    WHERE g.comment IS NOT NULL AND (NOT g.is_last OR w.request_no IS NOT NULL)
)
SELECT organization_id, request_id FROM posted WHERE NOT $1::boolean

-- name: try_lock_uploads
SELECT pg_try_advisory_xact_lock(727651802, $1)

-- name: find_scores
SELECT n.name, s.value, s.is_boolean IS NOT NULL AS is_boolean
FROM request AS r
JOIN score AS s ON s.organization_id = $1 AND s.request_no = r.request_no
JOIN score_name AS n ON n.organization_id = $1 AND n.id = s.name_id
WHERE r.organization_id = $1 AND r.request_id = $2
ORDER BY n.name

-- name: list_kinds
-- Whether a name is used for booleans: its newest score says. One step into an index for each name.
SELECT n.name, newest.is_boolean IS NOT NULL AS is_boolean
FROM score_name AS n
CROSS JOIN LATERAL (
    SELECT s.is_boolean
    FROM score AS s
    WHERE s.organization_id = $1 AND s.name_id = n.id
    ORDER BY s.request_created_at DESC
    LIMIT 1
) AS newest
WHERE n.organization_id = $1
ORDER BY n.name
LIMIT $2

-- name: remove_score
-- runs on the node of $1
-- Locks the request's row first, as every writer does: else two could wait for each other. The score goes into the
-- history, and its removal ($5 is the origin) after it. Where $6 is true, a human's value stays.
WITH touched AS (
    UPDATE request AS r
    SET updated_at = greatest(r.updated_at, date_trunc('milliseconds', $4::timestamptz))
    WHERE r.organization_id = $1 AND r.request_id = $2 AND EXISTS (
        SELECT FROM score AS s
        WHERE s.organization_id = $1 AND s.request_no = r.request_no AND s.name_id = $3
    )
    RETURNING r.organization_id, r.request_no
),
removed AS (
    DELETE FROM score AS s
    USING touched
    WHERE s.organization_id = $1 AND s.request_no = touched.request_no AND s.name_id = $3
    AND NOT ($6::boolean AND EXISTS (
        SELECT FROM score_origin AS o WHERE o.organization_id = $1 AND o.id = s.origin_id AND o.kind = 'human'
    ))
    RETURNING s.value, s.request_no, s.scored_at, s.organization_id, s.name_id, s.origin_id, s.is_boolean
),
kept AS (
    INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
    SELECT value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean FROM removed
    UNION ALL
    SELECT NULL, request_no, greatest($4, scored_at + interval '1 microsecond'), organization_id, name_id, $5, NULL
    FROM removed
)
SELECT request_no FROM removed

-- name: remove_scores
-- Runs after a statement that removed the requests, and waited for their writers: this one sees what they wrote.
DELETE FROM score WHERE organization_id = $1 AND request_no = ANY ($2::bigint[])

-- name: remove_history
DELETE FROM score_history WHERE organization_id = $1 AND request_no = ANY ($2::bigint[])

-- name: remove_comments
DELETE FROM score_comment WHERE organization_id = $1 AND request_no = ANY ($2::bigint[])
