-- Numbers about scores: $1 is the organization, $2 and $3 the first instant and the one behind the last. The
-- request is joined only where a filter asks for it.

-- name: names
SELECT n.name
FROM score_name AS n
WHERE n.organization_id = $1 AND EXISTS (
    SELECT FROM score AS s WHERE s.organization_id = n.organization_id AND s.name_id = n.id
)
ORDER BY n.name

-- name: over_time
-- By score and bucket of $4 (minute, hour, …) in a zone $5 minutes behind UTC; sums, so that averages of any
-- buckets together stay exact.
SELECT
    n.name,
    (
        date_trunc($4::text, v.request_created_at AT TIME ZONE 'UTC' - make_interval(mins => $5::integer))
        + make_interval(mins => $5::integer)
    ) AT TIME ZONE 'UTC' AS begins_at,
    count(*) AS count, sum(v.value) AS sum, min(v.value) AS lowest, max(v.value) AS highest
FROM score AS v
JOIN score_name AS n ON n.id = v.name_id
/* request */ JOIN request AS r ON r.organization_id = v.organization_id AND r.request_no = v.request_no /* end */
/* joins */ /* end */
WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
    AND /* where */ true /* end */
GROUP BY n.name, begins_at
ORDER BY n.name, begins_at

-- name: distributions
-- At most $4 bins of equal width from the lowest to the highest value of a score; where there are fewer
-- integers than that, one each.
WITH counted AS (
    SELECT v.name_id, v.value, count(*) AS count
    FROM score AS v
    /* request */ JOIN request AS r ON r.organization_id = v.organization_id AND r.request_no = v.request_no /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND /* where */ true /* end */
    GROUP BY v.name_id, v.value
),
bounds AS (
    SELECT
        name_id, min(value)::numeric AS lowest, max(value)::numeric AS highest,
        least($4::numeric, max(value)::numeric - min(value)::numeric + 1) AS bins
    FROM counted
    GROUP BY name_id
)
SELECT
    n.name, b.lowest, b.highest, b.bins,
    least(b.bins - 1, div((c.value - b.lowest) * b.bins, greatest(b.highest - b.lowest, 1)))::integer AS bin,
    sum(c.count)::bigint AS count
FROM counted AS c
JOIN bounds AS b ON b.name_id = c.name_id
JOIN score_name AS n ON n.id = c.name_id
GROUP BY n.name, b.lowest, b.highest, b.bins, bin
ORDER BY n.name, bin

-- name: compare
-- By group and score, for the scores $4. (stddev_samp of integers keeps 11 digits only.)
SELECT
    /* group */ r.model /* end */ AS group_value,
    n.name, count(*) AS count, sum(v.value) AS sum, sqrt(var_samp(v.value)::double precision) AS deviation,
    min(v.value) AS lowest, max(v.value) AS highest,
    percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY v.value) AS percentiles,
    bool_and(v.is_boolean IS NOT NULL) AS all_boolean
FROM score AS v
JOIN score_name AS n ON n.id = v.name_id
JOIN request AS r ON r.organization_id = v.organization_id AND r.request_no = v.request_no
/* joins */ /* end */
WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
    AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
GROUP BY group_value, n.name
ORDER BY group_value NULLS LAST, n.name
