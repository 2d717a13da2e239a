-- The changes of scores: the present values in score, all others in score_history.

-- name: find
-- All changes of a request's scores, by name, the oldest first; a present value comes after all that were the score,
-- whatever the clocks of several services say. $3: one name, or null.
SELECT n.name, c.value, c.is_boolean, c.scored_at, c.taken_back_at, c.is_aside, o.kind, o.name AS author, o.version,
    o.call, o.restored_by, m.comment
FROM request AS r
CROSS JOIN LATERAL (
    SELECT s.name_id, s.value, s.is_boolean IS NOT NULL AS is_boolean, s.scored_at, s.origin_id,
        NULL::timestamptz AS taken_back_at, false AS is_aside, true AS is_present
    FROM score AS s
    WHERE s.request_no = r.request_no AND s.organization_id = $1
    UNION ALL
    SELECT h.name_id, h.value, h.is_boolean IS NOT NULL, h.scored_at, h.origin_id,
        h.taken_back_at, h.is_aside IS NOT NULL, false
    FROM score_history AS h
    WHERE h.request_no = r.request_no AND h.organization_id = $1
) AS c
JOIN score_name AS n ON n.organization_id = $1 AND n.id = c.name_id
LEFT JOIN score_origin AS o ON o.organization_id = $1 AND o.id = c.origin_id
LEFT JOIN score_comment AS m
    ON m.request_no = r.request_no AND m.organization_id = $1
    AND m.name_id = c.name_id AND m.scored_at = c.scored_at
WHERE r.organization_id = $1 AND r.request_id = $2 AND ($3::text IS NULL OR n.name = $3)
ORDER BY n.name, CASE WHEN c.is_present THEN
    greatest(c.scored_at, max(c.scored_at) FILTER (WHERE NOT c.is_aside) OVER (PARTITION BY n.name))
ELSE c.scored_at END, c.is_present

-- name: details
-- Of requests, $2, by id: their scores with author, time and comment, as JSON; null without one. Scores are found by the
-- request's number alone, as in `search` of request.sql.
SELECT r.request_id, (
    SELECT jsonb_object_agg(
        n.name,
        jsonb_build_object(
            'value', s.value,
            'author', o.kind || ':' || o.name || coalesce('@' || nullif(o.version, ''), ''),
            'at', to_char(s.scored_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'comment', m.comment,
            'changed', EXISTS (
                SELECT
                FROM score_history AS h
                WHERE h.request_no = s.request_no AND h.organization_id = $1
                    AND h.name_id = s.name_id AND h.is_aside IS NULL
            )
        )
    )
    FROM score AS s
    JOIN score_name AS n ON n.organization_id = $1 AND n.id = s.name_id
    LEFT JOIN score_origin AS o ON o.organization_id = $1 AND o.id = s.origin_id
    LEFT JOIN score_comment AS m
        ON m.request_no = s.request_no AND m.organization_id = $1
        AND m.name_id = s.name_id AND m.scored_at = s.scored_at
    WHERE s.request_no = r.request_no AND s.organization_id = $1::integer::oid
) AS details
FROM request AS r
WHERE r.organization_id = $1 AND r.request_id = ANY ($2::text[])

-- name: exists
SELECT EXISTS (SELECT FROM request WHERE organization_id = $1 AND request_id = $2)

-- name: lock
-- As every writer does, before it looks.
UPDATE request AS r
SET updated_at = greatest(r.updated_at, date_trunc('milliseconds', $3::timestamptz))
WHERE r.organization_id = $1 AND r.request_id = $2
RETURNING r.request_no

-- name: put_back
-- runs on the node of $1
-- Sets scores to values that they had, or removes them, as new changes: $2..$7 have one element for each (number of the
-- request, name, value or null, whether it is a boolean, origin, comment). Their requests must be locked.
WITH given AS (
    SELECT g.value, g.request_no, r.created_at, $8::timestamptz AS at, r.organization_id, g.name_id, g.origin_id,
        nullif(g.is_boolean, false) AS is_boolean, g.comment
    FROM unnest($2::bigint[], $3::integer[], $4::bigint[], $5::boolean[], $6::integer[], $7::text[])
        AS g (request_no, name_id, value, is_boolean, origin_id, comment)
    JOIN request AS r ON r.request_no = g.request_no AND r.organization_id = $1
),
removed AS (
    DELETE FROM score AS s
    USING given AS g
    WHERE g.value IS NULL
    AND s.request_no = g.request_no AND s.organization_id = g.organization_id AND s.name_id = g.name_id
    RETURNING s.value, s.request_no, s.scored_at, s.organization_id, s.name_id, s.origin_id, s.is_boolean,
        greatest(g.at, s.scored_at + interval '1 microsecond') AS at, g.origin_id AS remover_id
),
kept AS (
    INSERT INTO score_history (value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean)
    SELECT value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean FROM removed
    UNION ALL
    SELECT NULL, request_no, at, organization_id, name_id, remover_id, NULL FROM removed
),
restored AS (
    INSERT INTO score AS s (
        value, request_no, request_created_at, scored_at, organization_id, name_id, is_boolean, origin_id
    )
    SELECT value, request_no, created_at, at, organization_id, name_id, is_boolean, origin_id
    FROM given
    WHERE value IS NOT NULL
    ORDER BY request_no, name_id
    ON CONFLICT ON CONSTRAINT score_pkey
    DO UPDATE SET value = excluded.value, is_boolean = excluded.is_boolean, origin_id = excluded.origin_id,
        scored_at = greatest(excluded.scored_at, s.scored_at + interval '1 microsecond')
    RETURNING s.request_no, s.organization_id, s.name_id, s.scored_at
)
INSERT INTO score_comment (request_no, scored_at, organization_id, name_id, comment)
SELECT w.request_no, w.scored_at, w.organization_id, w.name_id, g.comment
FROM restored AS w
JOIN given AS g ON g.request_no = w.request_no AND g.name_id = w.name_id
WHERE g.comment IS NOT NULL

-- name: take_back
-- runs on the node of $1
-- Marks changes as taken back, by number of the request, name and time.
-- Runs after the statement that replaced the present values: they are in the history now.
WITH marked AS (
    UPDATE score_history AS h
    SET taken_back_at = $5
    FROM unnest($2::bigint[], $3::integer[], $4::timestamptz[]) AS g (request_no, name_id, scored_at)
    WHERE h.request_no = g.request_no AND h.organization_id = $1::integer::oid
    AND h.name_id = g.name_id AND h.scored_at = g.scored_at
    RETURNING h.request_no
)
UPDATE request AS r
SET updated_at = greatest(r.updated_at, date_trunc('milliseconds', $5))
WHERE r.request_no IN (SELECT request_no FROM marked) AND r.organization_id = $1::integer::oid
