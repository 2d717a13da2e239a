-- Requests to look at. $1 is the organization, $2 the seed of the random order: a hash of the request's id, so that the
-- same seed gives the same order in another database too, and a new request changes no other one's place. $3 is how many
-- are wanted.

-- name: random
SELECT r.request_no, r.request_id, r.created_at
FROM /* source */ request AS r /* end */
/* joins */ /* end */
WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
ORDER BY hashtextextended(r.request_id, $2), r.request_id
LIMIT $3

-- name: strata
-- The $2 largest groups, and how many requests there are in all groups.
SELECT
    /* group */ NULL::text /* end */ AS group_value, count(*) AS count, (sum(count(*)) OVER ())::bigint AS matching
FROM /* source */ request AS r /* end */
/* joins */ /* end */
WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
GROUP BY group_value
ORDER BY count DESC, group_value NULLS LAST
LIMIT $2

-- name: stratified
-- Of the groups $4 as many as $5 says, of which $3 is the largest number: what is beyond that is dropped while it is
-- sorted. OFFSET 0 keeps a group from being looked for before.
SELECT p.request_no, p.request_id, p.created_at, p.group_value, array_position($4::text[], p.group_value) AS stratum
FROM (
    SELECT *
    FROM (
        SELECT
            h.*, row_number() OVER (PARTITION BY h.group_value ORDER BY h.hash, h.request_id) AS place
        FROM (
            SELECT
                r.request_no, r.request_id, r.created_at, /* group */ NULL::text /* end */ AS group_value,
                hashtextextended(r.request_id, $2) AS hash
            FROM /* source */ request AS r /* end */
            /* joins */ /* end */
            WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
        ) AS h
    ) AS numbered
    WHERE place <= $3
    OFFSET 0
) AS p
WHERE p.place <= ($5::integer[])[array_position($4::text[], p.group_value)]
ORDER BY stratum, p.place

-- name: nearest
-- Those whose score is nearest to $4.
SELECT r.request_no, r.request_id, r.created_at
FROM /* source */ request AS r /* end */
/* joins */ /* end */
WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
ORDER BY
    abs(/* sort_value */ r.latency_ms /* end */::numeric - $4::numeric), hashtextextended(r.request_id, $2), r.request_id
LIMIT $3

-- name: spread
-- Those whose scores are furthest apart, of at least two; and how many have so many.
SELECT r.request_no, r.request_id, r.created_at, count(*) OVER () AS matching
FROM /* source */ request AS r /* end */
/* joins */
JOIN score AS v ON v.organization_id = $1 AND v.request_no = r.request_no
/* end */
WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
GROUP BY r.request_no, r.request_id, r.created_at
HAVING count(*) >= 2
ORDER BY max(v.value)::numeric - min(v.value) DESC, hashtextextended(r.request_id, $2), r.request_id
LIMIT $3

-- name: leverage
-- Those whose score moves the mean of their group most: |value - mean| / n, without a division of sums before the last.
SELECT
    v.request_no, v.request_id, v.created_at, v.group_value, v.count, (v.sum / v.count)::double precision AS mean
FROM (
    SELECT
        r.request_no, r.request_id, r.created_at, /* group */ NULL::text /* end */ AS group_value,
        /* sort_value */ r.latency_ms /* end */ AS value, count(*) OVER of_group AS count,
        sum(/* sort_value */ r.latency_ms /* end */) OVER of_group AS sum
    FROM /* source */ request AS r /* end */
    /* joins */ /* end */
    WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
    WINDOW of_group AS (PARTITION BY /* group */ NULL::text /* end */)
) AS v
ORDER BY
    abs(v.value * v.count::numeric - v.sum) / (v.count::numeric * v.count) DESC, hashtextextended(v.request_id, $2),
    v.request_id
LIMIT $3

-- name: scores
-- The scores $3 of the requests $2, looked up one by one.
SELECT s.request_no, s.name_id, s.value
FROM unnest($2::bigint[]) AS p (request_no)
CROSS JOIN LATERAL (
    SELECT s.request_no, s.name_id, s.value
    FROM score AS s
    WHERE s.request_no = p.request_no AND s.organization_id = $1::integer::oid AND s.name_id + 0 = ANY ($3::integer[])
    OFFSET 0
) AS s
