-- Counting hours and days anew (`store/score_counts.py`). $1 is the organization where there is one.
--
-- A row of touched_hour is taken away in two steps, because a writer who is not finished may rely on it. It is closed
-- first, and from then on nobody relies on it; once all transactions have ended that were running after that, the hour is
-- counted in the statement that deletes the row. Whoever wrote since has touched the hour with a row that this statement
-- does not see, or leaves: it stays touched.

-- name: claim
-- Held until the end of the transaction.
SELECT pg_try_advisory_xact_lock(7276518024554)

-- name: list_all
SELECT id FROM organization ORDER BY id

-- name: list_organizations
-- runs on the node of $1
-- Those of $1 with something to count: hours that ended before $2 and were touched before $3.
SELECT o.id
FROM unnest($1::integer[]) AS o (id)
WHERE EXISTS (
    SELECT FROM touched_hour AS t
    WHERE t.organization_id = o.id AND (t.is_closing OR t.begins_at < $2::timestamptz AND t.touched_at < $3::timestamptz)
)
OR EXISTS (SELECT FROM uncounted_name AS u WHERE u.organization_id = o.id)
OR EXISTS (
    SELECT FROM score_day AS d
    WHERE d.organization_id = o.id AND d.is_due AND d.begins_at < $4::timestamptz
)

-- name: touch_uncounted
-- runs on the node of $1
-- Touches all hours of one name that was not counted yet: one step into an index for each.
WITH RECURSIVE chosen AS (
    DELETE FROM uncounted_name AS u
    WHERE u.organization_id = $1 AND u.name_id = (
        SELECT o.name_id FROM uncounted_name AS o WHERE o.organization_id = $1 LIMIT 1
    )
    RETURNING u.name_id
),
hours AS (
    SELECT c.name_id, (
        SELECT date_bin('1 hour', min(s.request_created_at), '0001-01-01Z')
        FROM score AS s
        WHERE s.organization_id = $1 AND s.name_id = c.name_id
    ) AS begins_at
    FROM chosen AS c
    UNION ALL
    SELECT h.name_id, (
        SELECT date_bin('1 hour', min(s.request_created_at), '0001-01-01Z')
        FROM score AS s
        WHERE s.organization_id = $1 AND s.name_id = h.name_id AND s.request_created_at >= h.begins_at + interval '1 hour'
    )
    FROM hours AS h
    WHERE h.begins_at IS NOT NULL
),
touched AS (
    INSERT INTO touched_hour (id, organization_id, name_id, begins_at, touched_at)
    SELECT nextval('touched_hour_id_seq'), $1, h.name_id, h.begins_at, '-infinity' FROM hours AS h WHERE h.begins_at IS NOT NULL
)
SELECT count(*) FROM chosen

-- name: close_hours
-- runs on the node of $1
-- Closes the rows of at most $4 hours that ended before $2 and were touched before $3, the oldest first.
WITH due AS (
    SELECT DISTINCT t.begins_at, t.name_id
    FROM touched_hour AS t
    WHERE t.organization_id = $1 AND NOT t.is_closing AND t.begins_at < $2 AND t.touched_at < $3
    ORDER BY t.begins_at, t.name_id
    LIMIT $4
)
UPDATE touched_hour AS t
SET is_closing = true
FROM due AS d
WHERE t.organization_id = $1 AND t.name_id = d.name_id AND t.begins_at = d.begins_at AND NOT t.is_closing
    AND t.touched_at < $3

-- name: list_closed
-- runs on the node of $1
SELECT t.id
FROM touched_hour AS t
WHERE t.organization_id = $1 AND t.is_closing
ORDER BY t.begins_at, t.name_id

-- name: next_transaction
-- runs on the node of $1
-- All transactions that are running there are before it.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next WHERE $1::integer IS NOT NULL

-- name: have_ended
-- runs on the node of $1
-- Whether all transactions before $2 have ended. After a move to another node all have that wrote to what was moved.
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $2::text::xid8 AS have_ended WHERE $1::integer IS NOT NULL

-- name: count_hours
-- runs on the node of $1
-- Takes away the closed rows $2 and counts their hours, but for those that are touched otherwise; returns how many were
-- counted. The days of these hours are due. Values are kept by all groups of a grouping where there are at most $3, or $4
-- for each score, and at least $5 scores.
WITH removed AS (
    DELETE FROM touched_hour AS t
    WHERE t.organization_id = $1 AND t.id = ANY ($2::bigint[]) AND t.is_closing
    RETURNING t.name_id, t.begins_at
),
due AS MATERIALIZED (
    SELECT DISTINCT r.name_id, r.begins_at
    FROM removed AS r
    WHERE NOT EXISTS (
        SELECT FROM touched_hour AS t
        WHERE t.organization_id = $1 AND t.name_id = r.name_id AND t.begins_at = r.begins_at
        AND t.id <> ALL ($2::bigint[])
        OFFSET 0
    )
),
cells AS MATERIALIZED (
    SELECT
        d.name_id, d.begins_at, r.model, r.provider, r.prompt_id, r.prompt_version, s.value, count(*) AS count,
        count(s.is_boolean) AS booleans, min(s.request_created_at) AS first_at, max(s.request_created_at) AS last_at
    FROM due AS d
    CROSS JOIN LATERAL (
        SELECT v.value, v.is_boolean, v.request_created_at, v.request_no
        FROM score AS v
        WHERE v.organization_id = $1 AND v.name_id = d.name_id
            AND v.request_created_at >= d.begins_at AND v.request_created_at < d.begins_at + interval '1 hour'
        OFFSET 0
    ) AS s
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = s.request_no
    GROUP BY d.name_id, d.begins_at, r.model, r.provider, r.prompt_id, r.prompt_version, s.value
),
counted AS MATERIALIZED (
    SELECT
        c.begins_at, sum(c.count)::bigint AS count, min(c.value) AS lowest, max(c.value) AS highest, c.name_id,
        sum(c.booleans)::integer AS booleans, sum(c.value::numeric * c.count) AS sum,
        sum(c.value::numeric * c.value * c.count) AS squares
    FROM cells AS c
    GROUP BY c.name_id, c.begins_at
),
grouped AS MATERIALIZED (
    SELECT
        c.name_id, c.begins_at, g.grouping, g.group_value, g.within, c.value, sum(c.count)::bigint AS count,
        sum(c.booleans)::bigint AS booleans, min(c.first_at) AS first_at, max(c.last_at) AS last_at
    FROM (SELECT *, sum(count) OVER (PARTITION BY name_id, begins_at) AS scores FROM cells) AS c
    CROSS JOIN LATERAL (
        VALUES ('all', NULL, NULL), ('model', c.model, NULL), ('provider', c.provider, NULL),
            ('prompt', c.prompt_version, c.prompt_id)
    ) AS g (grouping, group_value, within)
    WHERE c.scores >= $5::bigint
    GROUP BY c.name_id, c.begins_at, g.grouping, g.group_value, g.within, c.value
),
kept AS MATERIALIZED (
    SELECT *
    FROM (
        SELECT *, count(*) OVER w AS cells, sum(count) OVER w AS scores
        FROM grouped
        WINDOW w AS (PARTITION BY name_id, begins_at, grouping)
    ) AS g
    WHERE g.cells <= greatest($3::bigint, ($4::float8 * g.scores)::bigint)
),
groupings AS MATERIALIZED (
    SELECT name_id, begins_at, array_agg(DISTINCT grouping) AS groupings
    FROM kept
    GROUP BY name_id, begins_at
),
stored AS (
    INSERT INTO score_hour AS h (
        begins_at, count, lowest, highest, organization_id, name_id, booleans, sum, squares, groupings
    )
    SELECT c.begins_at, c.count, c.lowest, c.highest, $1, c.name_id, c.booleans, c.sum, c.squares,
        coalesce(k.groupings, '{}')
    FROM counted AS c
    LEFT JOIN groupings AS k ON k.name_id = c.name_id AND k.begins_at = c.begins_at
    ON CONFLICT ON CONSTRAINT score_hour_pkey
    DO UPDATE SET count = excluded.count, lowest = excluded.lowest, highest = excluded.highest,
        booleans = excluded.booleans, sum = excluded.sum, squares = excluded.squares, groupings = excluded.groupings
),
emptied AS (
    DELETE FROM score_hour AS h
    USING due AS d
    WHERE h.organization_id = $1 AND h.name_id = d.name_id AND h.begins_at = d.begins_at
        AND (h.name_id, h.begins_at) NOT IN (SELECT c.name_id, c.begins_at FROM counted AS c)
),
outdated AS (
    DELETE FROM score_group AS g
    USING due AS d
    WHERE g.organization_id = $1 AND g.name_id = d.name_id AND g.begins_at = d.begins_at AND g.hours = 1
),
stored_groups AS (
    INSERT INTO score_group (
        begins_at, first_at, last_at, organization_id, name_id, falses, trues, hours, grouping, group_value, within,
        values, counts
    )
    SELECT
        g.begins_at, min(g.first_at), max(g.last_at), $1, g.name_id,
        coalesce(sum(g.booleans) FILTER (WHERE g.value = 0), 0)::integer,
        coalesce(sum(g.booleans) FILTER (WHERE g.value = 1), 0)::integer,
        1, g.grouping, g.group_value, g.within,
        array_agg(g.value ORDER BY g.value), array_agg(g.count::integer ORDER BY g.value)
    FROM kept AS g
    GROUP BY g.name_id, g.begins_at, g.grouping, g.group_value, g.within
),
days AS MATERIALIZED (
    SELECT DISTINCT d.name_id, date_bin('1 day', d.begins_at, '0001-01-01Z') AS begins_at FROM due AS d
),
outdated_days AS (
    DELETE FROM score_day AS s
    USING days AS d
    WHERE s.organization_id = $1 AND s.name_id = d.name_id AND s.begins_at = d.begins_at
),
outdated_groups AS (
    DELETE FROM score_group AS g
    USING days AS d
    WHERE g.organization_id = $1 AND g.name_id = d.name_id AND g.begins_at = d.begins_at AND g.hours = 24
),
noted AS (
    INSERT INTO score_day (begins_at, organization_id, name_id, is_due, groupings)
    SELECT d.begins_at, $1, d.name_id, true, '{}' FROM days AS d
)
SELECT count(*) FROM due

-- name: count_days
-- runs on the node of $1
-- Counts at most $3 of the days that are due and ended before $2, and of which no hour is touched; returns how many. Values
-- are kept as in count_hours, by $4 and $5. Days are summed up from their hours where all of these have all groupings, else
-- counted from the scores.
WITH due AS MATERIALIZED (
    SELECT
        d.name_id, d.begins_at, coalesce((
            SELECT bool_and(h.groupings @> '{all,model,provider,prompt}')
            FROM score_hour AS h
            WHERE h.organization_id = $1 AND h.name_id = d.name_id
                AND h.begins_at >= d.begins_at AND h.begins_at < d.begins_at + interval '1 day'
        ), false) AS has_groups
    FROM score_day AS d
    WHERE d.organization_id = $1 AND d.is_due AND d.begins_at < $2
    AND NOT EXISTS (
        SELECT FROM touched_hour AS t
        WHERE t.organization_id = $1 AND t.name_id = d.name_id
        AND t.begins_at >= d.begins_at AND t.begins_at < d.begins_at + interval '1 day'
        OFFSET 0
    )
    ORDER BY d.begins_at, d.name_id
    LIMIT $3
),
cells AS MATERIALIZED (
    SELECT
        d.name_id, d.begins_at, r.model, r.provider, r.prompt_id, r.prompt_version, s.value, count(*) AS count,
        count(s.is_boolean) AS booleans, min(s.request_created_at) AS first_at, max(s.request_created_at) AS last_at
    FROM due AS d
    CROSS JOIN LATERAL (
        SELECT v.value, v.is_boolean, v.request_created_at, v.request_no
        FROM score AS v
        WHERE NOT d.has_groups AND v.organization_id = $1 AND v.name_id = d.name_id
            AND v.request_created_at >= d.begins_at AND v.request_created_at < d.begins_at + interval '1 day'
        OFFSET 0
    ) AS s
    JOIN request AS r ON r.organization_id = $1 AND r.request_no = s.request_no
    GROUP BY d.name_id, d.begins_at, r.model, r.provider, r.prompt_id, r.prompt_version, s.value
),
grouped AS MATERIALIZED (
    SELECT
        c.name_id, c.begins_at, g.grouping, g.group_value, g.within, c.value, sum(c.count)::bigint AS count,
        sum(c.booleans)::bigint AS booleans, min(c.first_at) AS first_at, max(c.last_at) AS last_at
    FROM cells AS c
    CROSS JOIN LATERAL (
        VALUES ('all', NULL, NULL), ('model', c.model, NULL), ('provider', c.provider, NULL),
            ('prompt', c.prompt_version, c.prompt_id)
    ) AS g (grouping, group_value, within)
    GROUP BY c.name_id, c.begins_at, g.grouping, g.group_value, g.within, c.value
    UNION ALL
    SELECT
        d.name_id, d.begins_at, h.grouping, h.group_value, h.within, u.value, sum(u.count)::bigint,
        sum(CASE u.value WHEN 0 THEN h.falses WHEN 1 THEN h.trues ELSE 0 END)::bigint, min(h.first_at), max(h.last_at)
    FROM due AS d
    JOIN score_group AS h
        ON h.organization_id = $1 AND h.name_id = d.name_id AND h.hours = 1
        AND h.begins_at >= d.begins_at AND h.begins_at < d.begins_at + interval '1 day'
    CROSS JOIN LATERAL unnest(h.values, h.counts) AS u (value, count)
    WHERE d.has_groups
    GROUP BY d.name_id, d.begins_at, h.grouping, h.group_value, h.within, u.value
),
kept AS MATERIALIZED (
    SELECT *
    FROM (
        SELECT *, count(*) OVER w AS cells, sum(count) OVER w AS scores
        FROM grouped
        WINDOW w AS (PARTITION BY name_id, begins_at, grouping)
    ) AS g
    WHERE g.cells <= greatest($4::bigint, ($5::float8 * g.scores)::bigint)
),
groupings AS MATERIALIZED (
    SELECT name_id, begins_at, array_agg(DISTINCT grouping) AS groupings
    FROM kept
    GROUP BY name_id, begins_at
),
done AS (
    DELETE FROM score_day AS s
    USING due AS d
    WHERE s.organization_id = $1 AND s.name_id = d.name_id AND s.begins_at = d.begins_at
),
stored AS (
    INSERT INTO score_day (begins_at, organization_id, name_id, is_due, groupings)
    SELECT d.begins_at, $1, d.name_id, false, coalesce(k.groupings, '{}')
    FROM due AS d
    LEFT JOIN groupings AS k ON k.name_id = d.name_id AND k.begins_at = d.begins_at
),
stored_groups AS (
    INSERT INTO score_group (
        begins_at, first_at, last_at, organization_id, name_id, falses, trues, hours, grouping, group_value, within,
        values, counts
    )
    SELECT
        g.begins_at, min(g.first_at), max(g.last_at), $1, g.name_id,
        coalesce(sum(g.booleans) FILTER (WHERE g.value = 0), 0)::integer,
        coalesce(sum(g.booleans) FILTER (WHERE g.value = 1), 0)::integer,
        24, g.grouping, g.group_value, g.within,
        array_agg(g.value ORDER BY g.value), array_agg(g.count::integer ORDER BY g.value)
    FROM kept AS g
    GROUP BY g.name_id, g.begins_at, g.grouping, g.group_value, g.within
)
SELECT count(*) FROM due
