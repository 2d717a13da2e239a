-- Cases: items (of a data set, say) that two groups of requests both have.

-- name: worst
-- Of the newest $5 scores $4: the items that both the group $6, the base, and the group $7 have, those of the greatest fall
-- from the base first; with -1 for $8, of the greatest rise. Each with its mean score in both, and the request logged last.
-- $9 items from $10 on; `total` is how many there are. OFFSET 0: requests are looked up one by one, once.
WITH seen AS MATERIALIZED (
    SELECT
        v.request_no, v.value, array_position(ARRAY[$6::text, $7::text], /* group */ r.model /* end */) AS place,
        /* unit */ r.user_id /* end */ AS item
    FROM (
        SELECT s.organization_id, s.request_no, s.value
        FROM score AS s
        WHERE s.organization_id = $1 AND s.name_id = $4 AND s.request_created_at >= $2 AND s.request_created_at < $3
        ORDER BY s.request_created_at DESC
        LIMIT $5
    ) AS v
    CROSS JOIN LATERAL (
        SELECT r.*
        FROM request AS r
        WHERE r.request_no = v.request_no AND r.organization_id = $1::integer::oid
        OFFSET 0
    ) AS r
    /* joins */ /* end */
    WHERE /* where */ true /* end */
    OFFSET 0
),
paired AS (
    SELECT
        item, max(request_no) FILTER (WHERE place = 1) AS base_no, avg(value) FILTER (WHERE place = 1) AS base,
        count(*) FILTER (WHERE place = 1) AS base_count, max(request_no) FILTER (WHERE place = 2) AS other_no,
        avg(value) FILTER (WHERE place = 2) AS other, count(*) FILTER (WHERE place = 2) AS other_count
    FROM seen
    WHERE place IS NOT NULL AND item IS NOT NULL
    GROUP BY item
)
SELECT
    item, base_no, base::double precision AS base, base_count, other_no, other::double precision AS other, other_count,
    count(*) OVER () AS total
FROM paired
WHERE base_count > 0 AND other_count > 0
ORDER BY (other - base) * $8::integer, item
LIMIT $9 OFFSET $10

-- name: exchanges
-- What was asked and answered in the requests $2; a body of more than $3 bytes, which is known without reading it, is left
-- out.
SELECT
    r.request_no, r.request_id, CASE WHEN pg_column_size(r.request_body) <= $3 THEN r.request_body END AS request_body,
    CASE WHEN pg_column_size(r.response_body) <= $3 THEN r.response_body END AS response_body
FROM request AS r
WHERE r.request_no = ANY ($2::bigint[]) AND r.organization_id = $1::integer::oid

-- name: scores
-- All scores of the requests $2. OFFSET 0: they are read once, not once for each name.
SELECT s.request_no, n.name, s.value, s.is_boolean IS NOT NULL AS is_boolean
FROM (
    SELECT s.request_no, s.name_id, s.value, s.is_boolean
    FROM score AS s
    WHERE s.request_no = ANY ($2::bigint[]) AND s.organization_id = $1::integer::oid
    OFFSET 0
) AS s
JOIN score_name AS n ON n.organization_id = $1 AND n.id = s.name_id
