-- Statistics of scores: $1 is the organization, and the time is from $2 up to and without $3. The request is joined
-- only where a filter needs it: by hash where there are many scores (connections/hash_joins.py), else one by one.

-- name: names
-- One step into an index for each name: the order keeps the planner from reading all scores instead.
SELECT n.name
FROM score_name AS n
CROSS JOIN LATERAL (
    SELECT
    FROM score AS s
    WHERE s.organization_id = $1 AND s.name_id = n.id
    ORDER BY s.request_created_at
    LIMIT 1
) AS first
WHERE n.organization_id = $1
ORDER BY n.name

-- name: size
-- How many scores there are in the time, of the names $4 (null: of all), counted up to $5.
SELECT count(*)
FROM (
    SELECT
    FROM score AS v
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND v.name_id = ANY (coalesce($4, ARRAY(SELECT n.id FROM score_name AS n WHERE n.organization_id = $1)))
    LIMIT $5
) AS first

-- name: requests
-- How many requests there are in the time, counted up to $4.
SELECT count(*)
FROM (
    SELECT
    FROM request AS r
    WHERE r.organization_id = $1 AND r.created_at >= $2 AND r.created_at < $3
    LIMIT $4
) AS first

-- name: over_time
-- By score and bucket of $4 (minute, hour, …) in a zone $5 minutes behind UTC; sums, so that averages over any buckets
-- stay exact. Scores are put into bins of one length first ($6, beginning at $7), which costs a third of what calendar
-- arithmetic for each score does; then the few bins are put into buckets.
WITH binned AS (
    /* hours { */
    SELECT
        v.name_id, date_bin($6::interval, v.request_created_at, $7::timestamptz) AS bucket,
        count(*) AS count, sum(v.value) AS sum, min(v.value) AS lowest, max(v.value) AS highest
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND /* where */ true /* end */
    GROUP BY v.name_id, bucket
    /* } */
),
bucketed AS (
    SELECT
        name_id,
        (
            date_trunc($4::text, bucket AT TIME ZONE 'UTC' - make_interval(mins => $5::integer))
            + make_interval(mins => $5::integer)
        ) AT TIME ZONE 'UTC' AS begins_at,
        sum(count)::bigint AS count, sum(sum) AS sum, min(lowest) AS lowest, max(highest) AS highest
    FROM binned
    GROUP BY 1, 2
)
SELECT n.name, b.begins_at, b.count, b.sum, b.lowest, b.highest
FROM bucketed AS b
JOIN score_name AS n ON n.organization_id = $1 AND n.id = b.name_id
ORDER BY n.name, b.begins_at

-- name: over_time_in_zone
-- As over_time, on the clock of the zone $5. Since 2023, clocks were at quarters of an hour from UTC and changed at such
-- instants, from February 1972 on at minutes, so that a bin of that length is in one bucket. Of a midnight that a clock
-- shows twice, date_trunc takes the second one, after some of the bucket's scores: the bucket begins at the first.
WITH binned AS (
    /* hours { */
    SELECT
        v.name_id,
        date_bin(
            CASE
                WHEN v.request_created_at >= timestamptz '2023-01-01Z' THEN least(interval '15 minutes', $6::interval)
                WHEN v.request_created_at >= timestamptz '1972-02-01Z' THEN interval '1 minute'
                ELSE interval '1 second'
            END,
            v.request_created_at, timestamptz '2000-01-01Z'
        ) AS bucket,
        count(*) AS count, sum(v.value) AS sum, min(v.value) AS lowest, max(v.value) AS highest
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND /* where */ true /* end */
    GROUP BY v.name_id, bucket
    /* } */
),
bucketed AS (
    SELECT
        b.name_id,
        CASE
            WHEN $4 NOT IN ('minute', 'hour')
                AND (t.begins_at - interval '1 hour') AT TIME ZONE $5 = t.begins_at AT TIME ZONE $5
            THEN t.begins_at - interval '1 hour'
            ELSE t.begins_at
        END AS begins_at,
        sum(b.count)::bigint AS count, sum(b.sum) AS sum, min(b.lowest) AS lowest, max(b.highest) AS highest
    FROM binned AS b
    CROSS JOIN LATERAL (SELECT date_trunc($4::text, b.bucket, $5::text) AS begins_at) AS t
    GROUP BY 1, 2
)
SELECT n.name, b.begins_at, b.count, b.sum, b.lowest, b.highest
FROM bucketed AS b
JOIN score_name AS n ON n.organization_id = $1 AND n.id = b.name_id
ORDER BY n.name, b.begins_at

-- name: trends
-- By score and bucket of time. The buckets begin at the instants $4, of which the first is $2, and are numbered from 1.
-- Sums of squares are exact: of values whose squares fit in 64 bits they are added up without numeric, which is quicker.
WITH binned AS (
    /* hours { */
    SELECT
        v.name_id, width_bucket(v.request_created_at, $4::timestamptz[]) AS bucket, count(*) AS count,
        sum(v.value) AS sum, min(v.value) AS lowest, max(v.value) AS highest,
        count(v.is_boolean) AS booleans,
        coalesce(sum(v.value * v.value) FILTER (WHERE v.value BETWEEN -3037000499 AND 3037000499), 0)
        + coalesce(sum(v.value::numeric * v.value) FILTER (WHERE v.value NOT BETWEEN -3037000499 AND 3037000499), 0)
            AS squares
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND /* where */ true /* end */
    GROUP BY v.name_id, bucket
    /* } */
),
bucketed AS (
    SELECT
        name_id, bucket, sum(count)::bigint AS count, sum(sum) AS sum, min(lowest) AS lowest, max(highest) AS highest,
        sum(booleans)::bigint AS booleans, sum(squares) AS squares
    FROM binned
    GROUP BY name_id, bucket
)
SELECT
    b.count, b.sum, b.lowest, b.highest, b.booleans = b.count AS all_boolean, b.squares,
    b.booleans > 0 AS any_boolean, n.name, b.bucket AS number
FROM bucketed AS b
JOIN score_name AS n ON n.organization_id = $1 AND n.id = b.name_id
ORDER BY n.name, b.bucket

-- name: spread
-- By group, score and bin, for the scores $4. The bins of a score are the same in all groups: 1, 2 or 5 times a power
-- of ten wide, the least width with which there are at most $5, and they begin at multiples of it. Sums of squares, so
-- that deviations stay exact.
WITH cells AS (
    /* groups { */
    SELECT
        /* group */ NULL::text /* end */ AS group_value, v.name_id, v.value, count(*) AS count,
        count(v.is_boolean) AS booleans
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
    GROUP BY group_value, v.name_id, v.value
    /* } */
),
counted AS (
    SELECT
        group_value, name_id, value::numeric AS value, sum(count)::bigint AS count,
        sum(booleans) = sum(count) AS all_boolean
    FROM cells
    GROUP BY group_value, name_id, value
),
bounds AS (
    SELECT name_id, min(value) AS lowest, max(value) AS highest
    FROM counted
    GROUP BY name_id
)
SELECT
    sum(c.count)::bigint AS count, sum(c.value * c.count) AS sum, min(c.value)::bigint AS lowest,
    max(c.value)::bigint AS highest, bool_and(c.all_boolean) AS all_boolean, c.group_value AS group, n.name,
    c.value - mod(mod(c.value, w.width) + w.width, w.width) AS lower, w.width,
    sum(c.value * c.value * c.count) AS squares
FROM counted AS c
JOIN bounds AS b ON b.name_id = c.name_id
CROSS JOIN LATERAL (
    SELECT min(step * 10::numeric ^ power) AS width
    FROM unnest(ARRAY[1, 2, 5]::numeric[]) AS step, generate_series(0, 19) AS power
    WHERE floor(b.highest / (step * 10::numeric ^ power)) - floor(b.lowest / (step * 10::numeric ^ power)) < $5::integer
) AS w
JOIN score_name AS n ON n.organization_id = $1 AND n.id = c.name_id
GROUP BY c.group_value, n.name, lower, w.width
ORDER BY n.name, c.group_value NULLS LAST, lower

-- name: distributions
-- At most $4 bins of equal width from the lowest to the highest value of a score; where that range has fewer integers,
-- one bin for each.
WITH cells AS (
    /* groups { */
    SELECT v.name_id, v.value, count(*) AS count
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND /* where */ true /* end */
    GROUP BY v.name_id, v.value
    /* } */
),
counted AS (
    SELECT name_id, value, sum(count)::bigint AS count
    FROM cells
    GROUP BY name_id, value
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
JOIN score_name AS n ON n.organization_id = $1 AND n.id = c.name_id
GROUP BY n.name, b.lowest, b.highest, b.bins, bin
ORDER BY n.name, bin

-- name: measure
-- By group, for the scores $4: the $5 groups with the most scores, and how many groups there are. Sums of squares as in
-- trends.
WITH summed AS (
    /* hours { */
    SELECT
        /* group */ NULL::text /* end */ AS group_value, count(*) AS count, sum(v.value) AS sum,
        min(v.value) AS lowest, max(v.value) AS highest,
        coalesce(sum(v.value * v.value) FILTER (WHERE v.value BETWEEN -3037000499 AND 3037000499), 0)
        + coalesce(sum(v.value::numeric * v.value) FILTER (WHERE v.value NOT BETWEEN -3037000499 AND 3037000499), 0)
            AS squares
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
    GROUP BY group_value
    /* } */
),
grouped AS (
    SELECT
        group_value, sum(count)::bigint AS count, sum(sum) AS sum, sum(squares) AS squares, min(lowest) AS lowest,
        max(highest) AS highest
    FROM summed
    GROUP BY group_value
)
SELECT
    m.group_value, m.count, m.sum, m.squares, m.lowest, m.highest, count(*) OVER () AS groups
FROM grouped AS m
ORDER BY m.count DESC, m.group_value NULLS LAST
LIMIT $5

-- name: measure_percentile
-- The same with the percentile $6, for which the values of each group are sorted.
SELECT m.group_value, m.count, m.percentile, count(*) OVER () AS groups
FROM (
    SELECT
        /* group */ NULL::text /* end */ AS group_value, count(*) AS count,
        percentile_cont($6::double precision) WITHIN GROUP (ORDER BY v.value::double precision) AS percentile
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
    GROUP BY group_value
) AS m
ORDER BY m.count DESC, m.group_value NULLS LAST
LIMIT $5

-- name: compare
-- By group and score, for the scores $4. Equal values are counted first, because there are few different ones: then a
-- percentile is found by adding up counts, without sorting all scores. It is interpolated between the values at two
-- places, counted from 0, as by percentile_cont. Sums of squares, so that deviations are exact to the last digit
-- (stddev_samp of integers keeps 11). The values themselves where there are at most $5; and how many scores are from $6
-- on. MATERIALIZED: what follows sorts what was counted, and the planner would rather sort all scores instead.
WITH cells AS (
    /* groups { */
    SELECT
        /* group */ r.model /* end */ AS group_value, v.name_id, v.value, count(*) AS count,
        count(v.is_boolean) AS booleans,
        count(*) FILTER (WHERE v.request_created_at >= $6::timestamptz) AS last_count
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
    GROUP BY group_value, v.name_id, v.value
    /* } */
),
counted AS MATERIALIZED (
    SELECT
        group_value, name_id, value, sum(count)::bigint AS count, sum(booleans) = sum(count) AS all_boolean,
        sum(last_count)::bigint AS last_count
    FROM cells
    GROUP BY group_value, name_id, value
),
placed AS (
    SELECT
        group_value, name_id, value, value::numeric AS number, count, all_boolean, last_count,
        sum(count) OVER (PARTITION BY group_value, name_id ORDER BY value) AS next_place,
        sum(count) OVER (PARTITION BY group_value, name_id) - 1 AS last_place,
        count(*) OVER (PARTITION BY group_value, name_id) <= $5::integer AS is_listed
    FROM counted
),
summed AS (
    SELECT
        group_value, name_id, sum(count) AS count, sum(number * count) AS sum, sum(number * number * count) AS squares,
        min(number) AS lowest, max(number) AS highest, bool_and(all_boolean) AS all_boolean,
        sum(last_count) AS last_count,
        array_agg(value) FILTER (WHERE is_listed) AS values, array_agg(count) FILTER (WHERE is_listed) AS counts,
        ARRAY[last_place * 0.5, last_place * 0.9, last_place * 0.99] AS places,
        ARRAY[
            min(number) FILTER (WHERE next_place > floor(last_place * 0.5)),
            min(number) FILTER (WHERE next_place > floor(last_place * 0.9)),
            min(number) FILTER (WHERE next_place > floor(last_place * 0.99))
        ] AS below,
        ARRAY[
            min(number) FILTER (WHERE next_place > ceil(last_place * 0.5)),
            min(number) FILTER (WHERE next_place > ceil(last_place * 0.9)),
            min(number) FILTER (WHERE next_place > ceil(last_place * 0.99))
        ] AS above
    FROM placed
    GROUP BY group_value, name_id, last_place
)
SELECT
    s.group_value, n.name, s.count::bigint AS count, s.sum, s.squares, s.lowest::bigint AS lowest,
    s.highest::bigint AS highest,
    ARRAY(
        SELECT (p.below + (p.above - p.below) * (p.place - floor(p.place)))::double precision
        FROM unnest(s.places, s.below, s.above) AS p (place, below, above)
    ) AS percentiles,
    s.all_boolean, s.last_count::bigint AS last_count, s.values, s.counts
FROM summed AS s
JOIN score_name AS n ON n.organization_id = $1 AND n.id = s.name_id
ORDER BY s.group_value NULLS LAST, n.name

-- name: compare_units
-- By group and score, for the scores $4: sums over units (users, say) of their counts and sums of scores.
WITH by_unit AS (
    SELECT
        /* group */ r.model /* end */ AS group_value, v.name_id, /* unit */ r.user_id /* end */ AS unit,
        count(*) AS count, sum(v.value) AS sum
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
    GROUP BY group_value, v.name_id, unit
)
SELECT
    u.group_value, n.name, coalesce(sum(u.count) FILTER (WHERE u.unit IS NULL), 0)::bigint AS left_out,
    count(u.unit) AS units, coalesce(sum(u.count) FILTER (WHERE u.unit IS NOT NULL), 0) AS count,
    coalesce(sum(u.sum) FILTER (WHERE u.unit IS NOT NULL), 0) AS sum,
    coalesce(sum(u.sum * u.sum) FILTER (WHERE u.unit IS NOT NULL), 0) AS sum_squares,
    coalesce(sum(u.sum * u.count) FILTER (WHERE u.unit IS NOT NULL), 0) AS products,
    coalesce(sum(u.count * u.count) FILTER (WHERE u.unit IS NOT NULL), 0) AS count_squares
FROM by_unit AS u
JOIN score_name AS n ON n.organization_id = $1 AND n.id = u.name_id
GROUP BY u.group_value, n.name
ORDER BY u.group_value NULLS LAST, n.name

-- name: compare_pairs
-- By score, for the scores $4: the items (of a data set, say) that both the group $7, the base, and the group $8 have, by
-- the sums and counts of their scores in both. These themselves where at most $5 differ, as `sum count sum count items`,
-- else sums of the items' means x, y and of y - x. How many items have a score from $6 on, in one or the other; whether
-- all values are 0 or 1; and how many scores are in $9, the group of requests that are in several.
-- OFFSET 0: properties are looked up once for each score, not once for each sum.
WITH by_item AS MATERIALIZED (
    SELECT
        s.name_id, s.item, sum(s.value) FILTER (WHERE s.place = 1) AS base,
        count(*) FILTER (WHERE s.place = 1) AS base_count, sum(s.value) FILTER (WHERE s.place = 2) AS other,
        count(*) FILTER (WHERE s.place = 2) AS other_count, count(*) FILTER (WHERE s.place = 3) AS several_count,
        bool_and(s.value BETWEEN 0 AND 1) FILTER (WHERE s.place < 3) AS is_share, bool_or(s.is_of_last) AS is_of_last
    FROM (
        SELECT
            v.name_id, v.value, v.request_created_at >= $6::timestamptz AS is_of_last,
            array_position(ARRAY[$7::text, $8::text, $9::text], /* group */ r.model /* end */) AS place,
            /* unit */ r.user_id /* end */ AS item
        FROM /* source */ score AS v /* end */
        /* request */
        JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
            AND r.created_at >= $2 AND r.created_at < $3
        /* end */
        /* joins */ /* end */
        WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
            AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
        OFFSET 0
    ) AS s
    WHERE s.place IS NOT NULL
    GROUP BY s.name_id, s.item
),
sizes AS (
    SELECT
        name_id, coalesce(sum(base_count + other_count) FILTER (WHERE item IS NULL), 0) AS left_out,
        count(item) FILTER (WHERE base_count > 0 AND other_count = 0) AS only_base,
        count(item) FILTER (WHERE base_count = 0 AND other_count > 0) AS only_other,
        bool_and(is_share) FILTER (WHERE item IS NOT NULL) AS is_share, sum(several_count) AS several_count
    FROM by_item
    GROUP BY name_id
),
paired AS (
    SELECT
        name_id, base, base_count, other, other_count, count(*) AS count,
        count(*) FILTER (WHERE is_of_last) AS last_count
    FROM by_item
    WHERE item IS NOT NULL AND base_count > 0 AND other_count > 0
    GROUP BY name_id, base, base_count, other, other_count
),
placed AS (
    SELECT
        *, base / base_count AS x, other / other_count AS y,
        count(*) OVER (PARTITION BY name_id) <= $5::integer AS is_listed
    FROM paired
),
summed AS (
    SELECT
        name_id, sum(count) AS count, sum(last_count) AS last_count,
        ARRAY[
            sum(x * count), sum(y * count), sum(x * x * count), sum(y * y * count), sum((y - x) * (y - x) * count)
        ] AS sums,
        array_agg(concat_ws(' ', base, base_count, other, other_count, count)) FILTER (WHERE is_listed) AS items
    FROM placed
    GROUP BY name_id
)
SELECT
    n.name, z.several_count::bigint AS several_count, z.left_out::bigint AS left_out, z.only_base, z.only_other,
    coalesce(s.last_count, 0)::bigint AS last_count, coalesce(z.is_share, true) AS is_share,
    coalesce(s.count, 0)::bigint AS count, s.sums, s.items
FROM sizes AS z
LEFT JOIN summed AS s ON s.name_id = z.name_id
JOIN score_name AS n ON n.organization_id = $1 AND n.id = z.name_id
ORDER BY n.name

-- name: compare_covariates
-- By group and score y, for the scores $4: sums with a number x of their requests, of those that have it.
SELECT
    c.group_value, n.name, count(*) AS count, sum(c.x) AS x, sum(c.y) AS y,
    sum(c.x * c.x) AS xx, sum(c.y * c.y) AS yy, sum(c.x * c.y) AS xy
FROM (
    SELECT
        /* group */ r.model /* end */ AS group_value, v.name_id, v.value::numeric AS y,
        /* covariate */ r.latency_ms::numeric /* end */ AS x
    FROM /* source */ score AS v /* end */
    /* request */
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        AND r.created_at >= $2 AND r.created_at < $3
    /* end */
    /* joins */ /* end */
    WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
        AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
) AS c
JOIN score_name AS n ON n.organization_id = $1 AND n.id = c.name_id
WHERE c.x IS NOT NULL
GROUP BY c.group_value, n.name
ORDER BY c.group_value NULLS LAST, n.name

-- name: changes
-- By group and score, for the $7 scores of $4 with the most values: those from $5 on beside those before $6. One pass counts
-- the scores by all that they are grouped by, which is made an array. From it come the groups of each place in the array,
-- from 1, and at place 0 all scores. The values at place $9 are groups within those at $10, as versions are of a prompt
-- (0: there are none). Shown are at most $8 groups of a place, the largest first; besides, those at $10 that have a shown
-- one within them. Sums of squares as in trends. Sums are strings, because a Decimal takes long to decode.
WITH placed AS (
    /* places { */
    WITH cells AS MATERIALIZED (
        SELECT
            /* group */ ARRAY[]::text[] /* end */ AS groups, v.name_id, v.request_created_at >= $5::timestamptz AS is_now,
            count(*) AS count, sum(v.value) AS sum,
            sum(v.value * v.value) FILTER (WHERE v.value BETWEEN -3037000499 AND 3037000499) AS squares,
            sum(v.value::numeric * v.value) FILTER (WHERE v.value NOT BETWEEN -3037000499 AND 3037000499) AS large_squares,
            min(v.request_created_at) AS first_at, max(v.request_created_at) AS last_at
        FROM /* source */ score AS v /* end */
        /* request */
        JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
            AND r.created_at >= $2 AND r.created_at < $3
        /* end */
        /* joins */ /* end */
        WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
            AND v.name_id = ANY ($4::integer[])
            AND (v.request_created_at >= $5::timestamptz OR v.request_created_at < $6::timestamptz)
            AND /* where */ true /* end */
        GROUP BY /* keys */ v.name_id /* end */, v.name_id, is_now
    )
    SELECT
        u.number - 1 AS place, CASE WHEN u.number - 1 = $9::integer THEN c.groups[$10::integer] END AS within,
        u.value AS group_value, c.name_id, c.is_now, c.count, c.sum,
        coalesce(c.squares, 0) + coalesce(c.large_squares, 0) AS squares, c.first_at, c.last_at
    FROM cells AS c
    CROSS JOIN LATERAL unnest(NULL::text || c.groups) WITH ORDINALITY AS u (value, number)
    /* } */
),
grouped AS MATERIALIZED (
    SELECT
        place, within, group_value, name_id, is_now, sum(count)::bigint AS count, sum(sum) AS sum,
        sum(squares) AS squares, min(first_at) AS first_at, max(last_at) AS last_at
    FROM placed
    GROUP BY place, within, group_value, name_id, is_now
),
totalled AS (
    SELECT *, sum(count) OVER (PARTITION BY place, within, group_value) AS total
    FROM grouped
    WHERE name_id IN (
        SELECT g.name_id
        FROM grouped AS g
        WHERE g.place = 0
        GROUP BY g.name_id
        ORDER BY sum(g.count) DESC, g.name_id
        LIMIT $7
    )
),
ranked AS (
    SELECT *, dense_rank() OVER (PARTITION BY place ORDER BY total DESC, within, group_value) AS rank
    FROM totalled
),
counted AS (
    SELECT *, max(rank) OVER (PARTITION BY place) AS groups
    FROM ranked
)
SELECT
    c.place::integer AS place, c.within, c.group_value, n.name, c.is_now, c.count, c.sum::text AS sum,
    c.squares::text AS squares, c.first_at, c.last_at, c.rank <= $8 AS is_shown, c.groups,
    (SELECT count(DISTINCT name_id) FROM grouped WHERE place = 0) AS scores
FROM counted AS c
JOIN score_name AS n ON n.organization_id = $1 AND n.id = c.name_id
WHERE c.rank <= $8 OR c.place = $10::integer AND coalesce(c.group_value, '') IN (
    SELECT coalesce(within, '') FROM ranked WHERE place = $9::integer AND rank <= $8
)
ORDER BY c.place, c.rank, n.name, c.is_now

-- name: changes_over_time
-- As changes, of some groups by bins of time $7 long: groups and scores are those at the same place of $8 to $11, and
-- numbered from 1.
WITH placed AS (
    /* places { */
    WITH cells AS MATERIALIZED (
        SELECT
            /* group */ ARRAY[]::text[] /* end */ AS groups, v.name_id,
            date_bin($7::interval, v.request_created_at, timestamptz '2000-01-01Z') AS bucket, count(*) AS count,
            sum(v.value) AS sum
        FROM /* source */ score AS v /* end */
        /* request */
        JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
            AND r.created_at >= $2 AND r.created_at < $3
        /* end */
        /* joins */ /* end */
        WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
            AND v.name_id = ANY ($4::integer[])
            AND (v.request_created_at >= $5::timestamptz OR v.request_created_at < $6::timestamptz)
            AND /* where */ true /* end */
        GROUP BY /* keys */ v.name_id /* end */, v.name_id, bucket
    )
    SELECT
        u.number - 1 AS place, CASE WHEN u.number - 1 = $12::integer THEN c.groups[$13::integer] END AS within,
        u.value AS group_value, c.name_id, c.bucket, c.count, c.sum
    FROM cells AS c
    CROSS JOIN LATERAL unnest(NULL::text || c.groups) WITH ORDINALITY AS u (value, number)
    /* } */
)
SELECT w.number, p.bucket AS begins_at, sum(p.count)::bigint AS count, sum(p.sum)::text AS sum
FROM unnest($8::integer[], $9::text[], $10::text[], $11::text[])
    WITH ORDINALITY AS w (place, within, group_value, name, number)
JOIN score_name AS n ON n.organization_id = $1 AND n.name = w.name
JOIN placed AS p ON p.place = w.place AND p.name_id = n.id
WHERE w.place = 0 OR p.group_value IS NOT DISTINCT FROM w.group_value
    AND (w.place <> $12::integer OR $13::integer = 0 OR p.within IS NOT DISTINCT FROM w.within)
GROUP BY w.number, p.bucket
ORDER BY w.number, p.bucket

-- name: rating_patterns
-- By what the raters $4 (score names; or others, which slots number) gave to a request, null where one gave nothing: how
-- many requests; where there are units, in each of 40 groups of units, or in the group null without one. At most $5
-- patterns, as `ratings;groups;counts` with - for null: arrays take four times as long to decode.
SELECT
    concat_ws(
        ';', array_to_string(f.ratings, ' ', '-'), array_to_string(array_agg(f.fold), ' ', '-'),
        array_to_string(array_agg(f.count), ' ')
    ) AS pattern
FROM (
    SELECT p.ratings, p.fold, count(*) AS count
    FROM (
        SELECT
            /* ratings */ ARRAY[max(v.value) FILTER (WHERE v.rater = ($4::integer[])[1])] /* end */ AS ratings,
            abs(/* fold */ 0 /* end */ % 40) AS fold
        FROM (
            SELECT
                v.request_no, v.value, /* rater */ v.name_id /* end */ AS rater,
                /* unit */ NULL::text /* end */ AS unit
            FROM /* source */ score AS v /* end */
            /* request */
            JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
                AND r.created_at >= $2 AND r.created_at < $3
            /* end */
            /* joins */ /* end */
            WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
                AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
        ) AS v
        GROUP BY v.request_no
    ) AS p
    GROUP BY p.ratings, p.fold
) AS f
GROUP BY f.ratings
LIMIT $5

-- name: rating_sums
-- By one of 40 groups of requests or units, or in the group null of those without a unit: how many requests either of two
-- raters rated, and only one did; of those that both rated, sums of the ratings x, y and of their differences. $5: the
-- greatest difference that is within the tolerance.
SELECT
    p.fold, count(*) AS total, count(*) FILTER (WHERE p.y IS NULL) AS only_first,
    count(*) FILTER (WHERE p.x IS NULL) AS only_second, count(p.x - p.y) AS count,
    sum(p.x) FILTER (WHERE p.y IS NOT NULL) AS x, sum(p.y) FILTER (WHERE p.x IS NOT NULL) AS y,
    sum(p.x * p.x) FILTER (WHERE p.y IS NOT NULL) AS xx, sum(p.y * p.y) FILTER (WHERE p.x IS NOT NULL) AS yy,
    sum(p.x * p.y) AS xy, sum(abs(p.x - p.y)) AS absolute, sum((p.x - p.y) * (p.x - p.y)) AS squares,
    count(*) FILTER (WHERE p.x = p.y) AS equal, count(*) FILTER (WHERE abs(p.x - p.y) <= $5::bigint) AS within
FROM (
    SELECT
        (/* ratings */ ARRAY[max(v.value), max(v.value)] /* end */)[1]::numeric AS x,
        (/* ratings */ ARRAY[max(v.value), max(v.value)] /* end */)[2]::numeric AS y,
        abs(/* fold */ hashint8(v.request_no) /* end */ % 40) AS fold
    FROM (
        SELECT
            v.request_no, v.value, /* rater */ v.name_id /* end */ AS rater,
            /* unit */ NULL::text /* end */ AS unit
        FROM /* source */ score AS v /* end */
        /* request */
        JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
            AND r.created_at >= $2 AND r.created_at < $3
        /* end */
        /* joins */ /* end */
        WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
            AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
    ) AS v
    GROUP BY v.request_no
) AS p
GROUP BY p.fold

-- name: rated_requests
-- The newest requests with each pattern of ratings, at most $5 of each; of those that two raters or more rated.
SELECT array_to_string(p.ratings, ' ', '-') AS ratings, json_agg(p.request_id ORDER BY p.place)::text AS request_ids
FROM (
    SELECT
        p.ratings, r.request_id,
        row_number() OVER (PARTITION BY p.ratings ORDER BY r.created_at DESC, r.request_id) AS place
    FROM (
        SELECT
            v.request_no, /* ratings */ ARRAY[max(v.value) FILTER (WHERE v.rater = ($4::integer[])[1])] /* end */ AS ratings
        FROM (
            SELECT
                v.request_no, v.value, /* rater */ v.name_id /* end */ AS rater,
                /* unit */ NULL::text /* end */ AS unit
            FROM /* source */ score AS v /* end */
            /* request */
            JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
                AND r.created_at >= $2 AND r.created_at < $3
            /* end */
            /* joins */ /* end */
            WHERE v.organization_id = $1 AND v.request_created_at >= $2 AND v.request_created_at < $3
                AND v.name_id = ANY ($4::integer[]) AND /* where */ true /* end */
        ) AS v
        GROUP BY v.request_no
        HAVING count(*) > 1
    ) AS p
    JOIN request AS r ON r.organization_id = $1::integer::oid AND r.request_no = p.request_no
) AS p
WHERE p.place <= $5
GROUP BY p.ratings

-- name: check_time_zone
-- Fails where PostgreSQL does not know the zone.
SELECT now() AT TIME ZONE $1::text
