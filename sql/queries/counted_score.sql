-- What the statements of evaluation.sql read instead of scores where they can: counts (score_count.sql), and the scores
-- themselves of what is not counted just now. `hours`, `groups` and `places` stand in for the blocks of the same names, and
-- `spans` for theirs. $1 is the organization, and
-- the time is from $2 up to and without $3.
--
-- Both are read by one statement, and so in one snapshot: a row of touched_hour that a writer made is seen with what they
-- wrote, or neither is. NOT IN, because PostgreSQL makes a table of hashes for it whatever its statistics say.

-- name: backlog
-- Whether one of the names $4 (null: of all) has not been counted. How many scores are counted of hours in the time, and
-- how many of these would have to be read all the same: values are wanted by the groupings $5 (null: only sums), and were
-- not kept. How many hours were counted, and how many are touched and were not counted yet.
WITH names AS MATERIALIZED (
    SELECT n.id
    FROM score_name AS n
    WHERE n.organization_id = $1 AND ($4::integer[] IS NULL OR n.id = ANY ($4))
),
days AS MATERIALIZED (
    SELECT d.name_id, d.begins_at
    FROM score_day AS d
    WHERE d.organization_id = $1 AND NOT d.is_due AND d.groupings @> $5::text[] AND d.name_id IN (SELECT id FROM names)
        AND d.begins_at >= $2 AND d.begins_at < $3
),
touched AS MATERIALIZED (
    SELECT DISTINCT t.name_id, t.begins_at
    FROM touched_hour AS t
    WHERE t.organization_id = $1 AND t.name_id IN (SELECT id FROM names) AND t.begins_at >= $2 AND t.begins_at < $3
),
hours AS MATERIALIZED (
    SELECT
        h.name_id, h.begins_at, h.count,
        $5 IS NOT NULL AND NOT h.groupings @> $5
            AND (h.name_id, date_bin('1 day', h.begins_at, '0001-01-01Z')) NOT IN (
                SELECT d.name_id, d.begins_at FROM days AS d
            )
            OR (h.name_id, h.begins_at) IN (SELECT t.name_id, t.begins_at FROM touched AS t) AS is_read
    FROM score_hour AS h
    WHERE h.organization_id = $1 AND h.name_id IN (SELECT id FROM names) AND h.begins_at >= $2 AND h.begins_at < $3
)
SELECT
    EXISTS (
        SELECT FROM uncounted_name AS u WHERE u.organization_id = $1 AND u.name_id IN (SELECT id FROM names)
    ) AS is_uncounted,
    coalesce(sum(h.count), 0)::bigint AS scores,
    coalesce(sum(h.count) FILTER (WHERE h.is_read), 0)::bigint AS read_scores,
    count(*) AS hours, (
        SELECT count(*)
        FROM touched AS t
        WHERE (t.name_id, t.begins_at) NOT IN (SELECT o.name_id, o.begins_at FROM hours AS o)
    ) AS new_hours
FROM hours AS h

-- name: spans
-- By name, of what time counts can be believed, in days (`hours` is 24) and in hours of other days (1); and from when to
-- when the scores have to be read (null).
WITH names AS MATERIALIZED (
    SELECT n.id
    FROM score_name AS n
    WHERE n.organization_id = $1 AND n.id = ANY (/* names */ ARRAY(SELECT 1) /* end */)
),
touched AS MATERIALIZED (
    SELECT DISTINCT t.name_id, t.begins_at
    FROM touched_hour AS t
    WHERE t.organization_id = $1 AND t.name_id IN (SELECT id FROM names)
        AND t.begins_at > $2::timestamptz - interval '1 hour' AND t.begins_at < $3::timestamptz
),
uncounted AS MATERIALIZED (
    SELECT u.name_id
    FROM uncounted_name AS u
    WHERE u.organization_id = $1 AND u.name_id IN (SELECT id FROM names)
),
days AS MATERIALIZED (
    SELECT d.name_id, d.begins_at
    FROM score_day AS d
    WHERE d.organization_id = $1 AND NOT d.is_due AND d.name_id IN (SELECT id FROM names)
        AND d.name_id NOT IN (SELECT u.name_id FROM uncounted AS u)
        AND d.groupings @> /* groupings */ '{all}' /* end */
        AND d.begins_at >= $2 AND d.begins_at + interval '1 day' <= $3
        AND /* whole_day */ true /* end */
        AND (d.name_id, d.begins_at) NOT IN (
            SELECT t.name_id, date_bin('1 day', t.begins_at, '0001-01-01Z') FROM touched AS t
        )
),
hours AS MATERIALIZED (
    SELECT
        h.name_id, h.begins_at,
        h.begins_at >= $2 AND h.begins_at + interval '1 hour' <= $3
            AND h.groupings @> /* groupings */ '{all}' /* end */
            AND /* whole_hour */ true /* end */
            AND (h.name_id, h.begins_at) NOT IN (SELECT t.name_id, t.begins_at FROM touched AS t) AS is_usable
    FROM score_hour AS h
    WHERE h.organization_id = $1 AND h.name_id IN (SELECT id FROM names)
        AND h.name_id NOT IN (SELECT u.name_id FROM uncounted AS u)
        AND h.begins_at > $2::timestamptz - interval '1 hour' AND h.begins_at < $3::timestamptz
        AND (h.name_id, date_bin('1 day', h.begins_at, '0001-01-01Z')) NOT IN (
            SELECT d.name_id, d.begins_at FROM days AS d
        )
)
SELECT d.name_id, d.begins_at, d.begins_at + interval '1 day' AS ends_at, 24 AS hours
FROM days AS d
UNION ALL
SELECT h.name_id, h.begins_at, h.begins_at + interval '1 hour', 1
FROM hours AS h
WHERE h.is_usable
UNION ALL
SELECT u.name_id, $2::timestamptz, $3::timestamptz, NULL
FROM uncounted AS u
UNION ALL
SELECT o.name_id, greatest(o.begins_at, $2), least(o.begins_at + interval '1 hour', $3), NULL
FROM (
    SELECT t.name_id, t.begins_at FROM touched AS t
    UNION
    SELECT h.name_id, h.begins_at FROM hours AS h WHERE NOT h.is_usable
) AS o
WHERE o.name_id NOT IN (SELECT u.name_id FROM uncounted AS u)

-- name: hours
-- Sums of the scores in hours that lie within one bucket, and of the scores in other hours by bucket.
WITH spans AS MATERIALIZED (
    /* spans { */
    SELECT NULL::integer AS name_id, NULL::timestamptz AS begins_at, NULL::timestamptz AS ends_at, NULL::integer AS hours
    /* } */
)
SELECT
    NULL::text AS group_value, h.name_id, /* counted */ h.begins_at /* end */ AS bucket, h.count, h.sum, h.squares,
    h.lowest, h.highest, h.booleans
FROM spans AS y
JOIN score_hour AS h ON h.organization_id = $1 AND h.name_id = y.name_id AND h.begins_at = y.begins_at
WHERE y.hours = 1
UNION ALL
SELECT
    NULL, y.name_id, /* bucket */ v.request_created_at /* end */, count(*), sum(v.value),
    coalesce(sum(v.value * v.value) FILTER (WHERE v.value BETWEEN -3037000499 AND 3037000499), 0)
    + coalesce(sum(v.value::numeric * v.value) FILTER (WHERE v.value NOT BETWEEN -3037000499 AND 3037000499), 0),
    min(v.value), max(v.value), count(v.is_boolean)
FROM spans AS y
CROSS JOIN LATERAL (
    SELECT s.value, s.is_boolean, s.request_created_at
    FROM score AS s
    WHERE s.organization_id = $1 AND s.name_id = y.name_id
        AND s.request_created_at >= y.begins_at AND s.request_created_at < y.ends_at
    OFFSET 0
) AS v
WHERE y.hours IS NULL
GROUP BY 2, 3

-- name: groups
-- Counts of values by group: of whole days, of whole hours of other days, and of the scores in other hours.
WITH spans AS MATERIALIZED (
    /* spans { */
    SELECT NULL::integer AS name_id, NULL::timestamptz AS begins_at, NULL::timestamptz AS ends_at, NULL::integer AS hours
    /* } */
)
SELECT
    /* group */ NULL::text /* end */ AS group_value, r.name_id, u.value, u.count,
    CASE u.value WHEN 0 THEN r.falses WHEN 1 THEN r.trues ELSE 0 END AS booleans,
    CASE WHEN /* last */ false /* end */ THEN u.count ELSE 0 END AS last_count
FROM spans AS y
CROSS JOIN LATERAL (
    SELECT
        g.begins_at, g.name_id, g.values, g.counts, g.falses, g.trues,
        /* columns */ g.group_value AS model /* end */
    FROM score_group AS g
    WHERE g.organization_id = $1 AND g.name_id = y.name_id AND g.begins_at = y.begins_at AND g.hours = y.hours
        AND g.grouping = ANY (/* groupings */ '{all}' /* end */)
    OFFSET 0
) AS r
CROSS JOIN LATERAL unnest(r.values, r.counts) AS u (value, count)
WHERE /* where */ true /* end */
UNION ALL
SELECT
    /* group */ NULL::text /* end */, y.name_id, v.value, count(*), count(v.is_boolean),
    count(*) FILTER (WHERE /* last_score */ false /* end */)
FROM spans AS y
CROSS JOIN LATERAL (
    SELECT s.value, s.is_boolean, s.request_created_at, s.request_no
    FROM score AS s
    WHERE s.organization_id = $1 AND s.name_id = y.name_id
        AND s.request_created_at >= y.begins_at AND s.request_created_at < y.ends_at
    OFFSET 0
) AS v
/* request */ JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no /* end */
WHERE y.hours IS NULL AND /* where */ true /* end */
GROUP BY 1, 2, 3

-- name: places
-- Sums of the scores of two times, from $5 on and before $6, by group of each of several groupings, and by bucket of time.
WITH spans AS MATERIALIZED (
    /* spans { */
    SELECT ($4::integer[])[1] AS name_id, $2::timestamptz AS begins_at, $3::timestamptz AS ends_at, NULL::integer AS hours
    /* } */
),
counts AS (
    SELECT
        g.grouping, g.within, g.group_value, y.name_id, y.begins_at >= $5 AS is_now,
        /* counted */ y.begins_at /* end */ AS bucket, u.count, u.sum, u.squares, g.first_at, g.last_at
    FROM spans AS y
    JOIN score_group AS g
        ON g.organization_id = $1 AND g.name_id = y.name_id AND g.begins_at = y.begins_at AND g.hours = y.hours
        AND g.grouping = ANY (/* groupings */ '{all}' /* end */)
    CROSS JOIN LATERAL (
        SELECT sum(e.count) AS count, sum(e.value::numeric * e.count) AS sum,
            sum(e.value::numeric * e.value * e.count) AS squares
        FROM unnest(g.values, g.counts) AS e (value, count)
    ) AS u
    UNION ALL
    SELECT
        g.grouping, g.within, g.group_value, c.name_id, c.is_now, c.bucket, c.count, c.sum, c.squares, c.first_at,
        c.last_at
    FROM (
        SELECT
            y.name_id, r.model, r.provider, r.prompt_id, r.prompt_version, v.request_created_at >= $5 AS is_now,
            /* bucket */ v.request_created_at /* end */ AS bucket, count(*) AS count, sum(v.value) AS sum,
            coalesce(sum(v.value * v.value) FILTER (WHERE v.value BETWEEN -3037000499 AND 3037000499), 0)
            + coalesce(
                sum(v.value::numeric * v.value) FILTER (WHERE v.value NOT BETWEEN -3037000499 AND 3037000499), 0
            ) AS squares,
            min(v.request_created_at) AS first_at, max(v.request_created_at) AS last_at
        FROM spans AS y
        CROSS JOIN LATERAL (
            SELECT s.value, s.request_created_at, s.request_no
            FROM score AS s
            WHERE s.organization_id = $1 AND s.name_id = y.name_id
                AND s.request_created_at >= y.begins_at AND s.request_created_at < y.ends_at
                AND (s.request_created_at >= $5 OR s.request_created_at < $6)
            OFFSET 0
        ) AS v
        JOIN request AS r ON r.organization_id = $1 AND r.request_no = v.request_no
        WHERE y.hours IS NULL
        GROUP BY y.name_id, r.model, r.provider, r.prompt_id, r.prompt_version, 6, 7
    ) AS c
    CROSS JOIN LATERAL (
        VALUES ('all', NULL, NULL), ('model', c.model, NULL), ('provider', c.provider, NULL),
            ('prompt', c.prompt_version, c.prompt_id)
    ) AS g (grouping, group_value, within)
)
SELECT
    p.place, CASE WHEN p.has_within THEN c.within END AS within,
    CASE p.of WHEN 'value' THEN c.group_value WHEN 'within' THEN c.within END AS group_value, c.name_id, c.is_now,
    c.bucket, c.count, c.sum, c.squares, c.first_at, c.last_at
FROM counts AS c
JOIN (VALUES /* places */ (0, 'all', '', false) /* end */) AS p (place, grouping, of, has_within)
    ON p.grouping = c.grouping
