-- Reading all requests that a filter finds, with everything that is stored of them. $1 is always the organization, $2 the
-- numbers of some requests. All but the first statement find rows by the request's number alone: HIDDEN in
-- store/search/score_conditions.py says why.

-- name: place
-- The requests in order, read through a cursor. The filter compiler (store/search) fills the slots, except for `size`:
-- how many bytes the large columns take on disk, which is known without reading them.
SELECT r.request_no, /* size */ 0 /* end */ AS size_bytes, /* sort_value */ NULL /* end */ AS sort_value, r.created_at,
    r.request_id
FROM /* source */ request AS r /* end */
/* joins */ /* end */
WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
ORDER BY /* order */ r.created_at DESC, r.request_id /* end */

-- name: read_lines
-- The members of a JSON object, those that are null left out. (The slot is a list of members, in calls of concat_ws,
-- which takes 100 arguments at most.)
SELECT r.request_no, concat_ws(',', /* members */ '"request_id":' || to_json(r.request_id)::text /* end */) AS line
FROM request AS r
WHERE r.request_no = ANY ($2::bigint[]) AND r.organization_id = $1::integer::oid

-- name: read_columns
SELECT r.request_no, /* columns */ r.request_id /* end */
FROM request AS r
WHERE r.request_no = ANY ($2::bigint[]) AND r.organization_id = $1::integer::oid

-- name: read_values
-- $3: the ids of the scores' names, or null for all.
SELECT s.request_no, array_agg(s.name_id) AS name_ids, array_agg(s.value) AS values
FROM score AS s
WHERE s.request_no = ANY ($2::bigint[]) AND s.organization_id = $1::integer::oid
    AND ($3::integer[] IS NULL OR s.name_id = ANY ($3::integer[]))
GROUP BY s.request_no

-- name: read_scores
-- Values and times as JSON has them. $3 as above.
SELECT s.request_no, array_agg(s.name_id) AS name_ids, array_agg(coalesce(s.origin_id, 0)) AS origin_ids,
    array_agg(CASE WHEN s.is_boolean THEN CASE s.value WHEN 0 THEN 'false' ELSE 'true' END ELSE s.value::text END) AS values,
    array_agg(to_char(s.scored_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) AS times
FROM score AS s
WHERE s.request_no = ANY ($2::bigint[]) AND s.organization_id = $1::integer::oid
    AND ($3::integer[] IS NULL OR s.name_id = ANY ($3::integer[]))
GROUP BY s.request_no

-- name: read_history
-- The changes before the present values, the oldest of each name first. `ends`: further members of the JSON object. $3 as
-- above.
SELECT h.request_no, array_agg(h.name_id ORDER BY h.name_id, h.scored_at) AS name_ids,
    array_agg(coalesce(h.origin_id, 0) ORDER BY h.name_id, h.scored_at) AS origin_ids,
    array_agg(
        CASE WHEN h.value IS NULL THEN 'null'
            WHEN h.is_boolean THEN CASE h.value WHEN 0 THEN 'false' ELSE 'true' END
            ELSE h.value::text END
        ORDER BY h.name_id, h.scored_at
    ) AS values,
    array_agg(to_char(h.scored_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ORDER BY h.name_id, h.scored_at) AS times,
    array_agg(
        concat(
            ',"taken_back_at":"' || to_char(h.taken_back_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"',
            CASE WHEN h.is_aside THEN ',"is_aside":true' END
        )
        ORDER BY h.name_id, h.scored_at
    ) AS ends
FROM score_history AS h
WHERE h.request_no = ANY ($2::bigint[]) AND h.organization_id = $1::integer::oid
    AND ($3::integer[] IS NULL OR h.name_id = ANY ($3::integer[]))
GROUP BY h.request_no

-- name: read_comments
-- Apart from the scores, since few have one: to look for one by one takes longer than to read the scores.
SELECT m.request_no, m.name_id, to_char(m.scored_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
    ',"comment":' || to_json(m.comment)::text AS comment
FROM score_comment AS m
WHERE m.request_no = ANY ($2::bigint[]) AND m.organization_id = $1::integer::oid

-- name: find_names
-- As the keys of a JSON object.
SELECT n.id, to_json(n.name)::text || ':' AS key
FROM score_name AS n
WHERE n.organization_id = $1 AND n.id = ANY ($2::integer[])

-- name: find_origins
-- As members of a JSON object: the author, and what is known of the call besides.
SELECT o.id,
    ',"author":' || to_json(o.kind || ':' || o.name || coalesce('@' || nullif(o.version, ''), ''))::text AS author,
    ',"call":' || to_json(o.call)::text || coalesce(',"restored_by":' || to_json(nullif(o.restored_by, ''))::text, '') AS call
FROM score_origin AS o
WHERE o.organization_id = $1 AND o.id = ANY ($2::integer[])
