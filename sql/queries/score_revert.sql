-- Taking back an author's changes of scores, in steps over the requests in order of their numbers.

-- name: find_origins
-- The origins of an author's changes; with $5, whatever the version. `is_copy`: they bring earlier values back.
SELECT id, call IN ('restore', 'revert') AS is_copy
FROM score_origin
WHERE organization_id = $1 AND kind = $2 AND name = $3 AND ($5 OR version = $4)

-- name: find
-- The first $9 requests from $2 (not included) to $3 with changes by the origins $4, those of the names $5 (null: of
-- all), in the time from $6 to $7, or by $8 from $6 on. `matches`: whether the filter finds them.
-- The organization is hidden from the planner: both tables are read in order of the numbers.
SELECT t.request_no, EXISTS (
    SELECT FROM request AS r
    WHERE r.request_no = t.request_no AND r.organization_id = $1::integer::oid AND /* where */ true /* end */
) AS matches
FROM (
    SELECT s.request_no
    FROM score AS s
    WHERE s.request_no > $2 AND s.request_no <= $3 AND s.organization_id = $1::integer::oid
    AND s.origin_id = ANY ($4::integer[]) AND ($5::integer[] IS NULL OR s.name_id = ANY ($5)) AND s.scored_at >= $6
    AND (s.scored_at <= $7 OR s.origin_id = ANY ($8::integer[]))
    UNION
    SELECT h.request_no
    FROM score_history AS h
    WHERE h.request_no > $2 AND h.request_no <= $3 AND h.organization_id = $1::integer::oid AND h.origin_id = ANY ($4)
    AND ($5 IS NULL OR h.name_id = ANY ($5)) AND h.scored_at >= $6
    AND (h.scored_at <= $7 OR h.origin_id = ANY ($8)) AND h.taken_back_at IS NULL
    ORDER BY request_no
    LIMIT $9
) AS t
ORDER BY t.request_no

-- name: changes
-- All changes of the scores of some requests that an origin of $3 has ever changed, as score_history.sql finds them, but
-- without comments. The filter is the one of `find`.
SELECT c.request_no, n.id, n.name, c.value, c.is_boolean, c.scored_at, c.taken_back_at, c.is_aside, o.kind,
    o.name AS author, o.version, o.call, o.restored_by
FROM (
    SELECT r.request_no, v.*, bool_or(v.origin_id = ANY ($3::integer[])) OVER (
        PARTITION BY r.request_no, v.name_id
    ) AS is_touched, max(v.scored_at) FILTER (WHERE NOT v.is_aside) OVER (
        PARTITION BY r.request_no, v.name_id
    ) AS newest_shown
    FROM request AS r
    CROSS JOIN LATERAL (
        SELECT s.name_id, s.value, s.is_boolean IS NOT NULL AS is_boolean, s.scored_at, s.origin_id,
            NULL::timestamptz AS taken_back_at, false AS is_aside, true AS is_present
        FROM score AS s
        WHERE s.request_no = r.request_no AND s.organization_id = $1::integer::oid
        UNION ALL
        SELECT h.name_id, h.value, h.is_boolean IS NOT NULL, h.scored_at, h.origin_id,
            h.taken_back_at, h.is_aside IS NOT NULL, false
        FROM score_history AS h
        WHERE h.request_no = r.request_no AND h.organization_id = $1::integer::oid
    ) AS v
    WHERE r.request_no = ANY ($2::bigint[]) AND r.organization_id = $1::integer::oid
    AND ($4::integer[] IS NULL OR v.name_id = ANY ($4)) AND /* where */ true /* end */
) AS c
JOIN score_name AS n ON n.organization_id = $1 AND n.id = c.name_id
LEFT JOIN score_origin AS o ON o.organization_id = $1 AND o.id = c.origin_id
WHERE c.is_touched
ORDER BY c.request_no, c.name_id, CASE WHEN c.is_present THEN greatest(c.scored_at, c.newest_shown) ELSE c.scored_at END,
    c.is_present

-- name: comments
-- Of changes: $2..$4 have one element for each (number of the request, name, time).
SELECT m.request_no, m.name_id, m.comment
FROM unnest($2::bigint[], $3::integer[], $4::timestamptz[]) AS g (request_no, name_id, scored_at)
JOIN score_comment AS m
    ON m.request_no = g.request_no AND m.organization_id = $1::integer::oid
    AND m.name_id = g.name_id AND m.scored_at = g.scored_at
