-- How many requests have which scores, by group and bucket of time: $1 is the organization. Buckets are of $2 (minute,
-- hour, …; null: there are none) in a zone $3 minutes behind UTC, and end at $4 at the latest. Requests are put into bins
-- of one length first, as those of evaluation.sql are: calendar arithmetic for each of them would take longer.

-- name: requests
-- By group and bucket, in the $5 groups with the most requests, $6 rows at most; and how many groups there are. No group
-- is joined to its total: that could be a loop in a loop.
WITH binned AS (
    SELECT
        /* group */ NULL::text /* end */ AS group_value,
        CASE
            WHEN $2::text IS NOT NULL
                THEN date_bin(
                    CASE $2::text WHEN 'minute' THEN interval '1 minute' WHEN 'hour' THEN interval '1 hour' ELSE interval '1 day' END,
                    r.created_at,
                    timestamptz '2000-01-01Z' + make_interval(mins => $3::integer)
                )
        END AS bin,
        count(*) AS count
    FROM /* source */ request AS r /* end */
    /* joins */ /* end */
    WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
    GROUP BY group_value, bin
),
bucketed AS (
    SELECT
        group_value, date_trunc($2::text, bin AT TIME ZONE 'UTC' - make_interval(mins => $3::integer)) AS bucket,
        sum(count)::bigint AS count
    FROM binned
    GROUP BY 1, 2
),
totalled AS (
    SELECT *, sum(count) OVER (PARTITION BY group_value) AS total
    FROM bucketed
),
placed AS (
    SELECT *, dense_rank() OVER (ORDER BY total DESC, group_value NULLS LAST) AS place
    FROM totalled
),
counted AS (
    SELECT *, max(place) OVER () AS groups
    FROM placed
)
SELECT
    groups, group_value,
    (bucket + make_interval(mins => $3::integer)) AT TIME ZONE 'UTC' AS begins_at,
    least(
        (bucket + ('1 ' || $2::text)::interval + make_interval(mins => $3::integer)) AT TIME ZONE 'UTC', $4::timestamptz
    ) AS ends_at,
    count
FROM counted
WHERE place <= $5
ORDER BY place, bucket
LIMIT $6

-- name: scores
-- By group, bucket and score, in the groups $4 (null: in all), and that of requests without a group if $5.
SELECT
    s.group_value,
    (
        date_trunc($2::text, s.bin AT TIME ZONE 'UTC' - make_interval(mins => $3::integer))
        + make_interval(mins => $3::integer)
    ) AT TIME ZONE 'UTC' AS begins_at,
    s.name_id, sum(s.count)::bigint AS count
FROM (
    SELECT
        v.name_id, /* group */ NULL::text /* end */ AS group_value,
        CASE
            WHEN $2::text IS NOT NULL
                THEN date_bin(
                    CASE $2::text WHEN 'minute' THEN interval '1 minute' WHEN 'hour' THEN interval '1 hour' ELSE interval '1 day' END,
                    r.created_at,
                    timestamptz '2000-01-01Z' + make_interval(mins => $3::integer)
                )
        END AS bin,
        count(*) AS count
    FROM /* source */ request AS r /* end */
    /* joins */
    JOIN score AS v ON v.organization_id = $1 AND v.request_no = r.request_no
    /* end */
    WHERE /* organization */ r.organization_id = $1 /* end */ AND /* where */ true /* end */
    GROUP BY v.name_id, group_value, bin
) AS s
WHERE $4::text[] IS NULL OR s.group_value = ANY ($4::text[]) OR ($5::boolean AND s.group_value IS NULL)
GROUP BY 1, 2, 3
