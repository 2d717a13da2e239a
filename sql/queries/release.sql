-- First uses of what releases change: models, prompt versions, the values of a property ($4; null: models and prompt
-- versions). $1 is the organization, and $5 to $9 are the filters of a page (null: all).

-- name: find
-- By value: when it is first seen from $2 up to and without $3. All requests of the time are looked at where they are at
-- most $10, else the newest ones in each of $11 parts of it, so many in all: to read all would take as long as the
-- statistics themselves.
WITH size AS (
    SELECT count(*) <= $10::integer AS is_whole
    FROM (
        SELECT
        FROM request AS r
        WHERE r.organization_id = $1 AND r.created_at >= $2 AND r.created_at < $3
        ORDER BY r.created_at
        LIMIT $10::integer + 1
    ) AS first
),
part AS (
    SELECT
        $2::timestamptz + ($3::timestamptz - $2) * (n / p.parts::double precision) AS start,
        CASE WHEN n + 1 < p.parts THEN $2 + ($3 - $2) * ((n + 1) / p.parts::double precision) ELSE $3 END AS end,
        $10 / p.parts AS size
    FROM (SELECT CASE WHEN is_whole THEN 1 ELSE $11::integer END AS parts FROM size) AS p
    CROSS JOIN LATERAL generate_series(0, p.parts - 1) AS n
),
seen AS (
    SELECT r.*
    FROM part AS p
    CROSS JOIN LATERAL (
        SELECT q.created_at, q.model, q.prompt_id, q.prompt_version, q.properties
        FROM request AS q
        WHERE q.organization_id = $1 AND q.created_at >= p.start AND q.created_at < p.end
        ORDER BY q.created_at DESC
        LIMIT p.size
    ) AS r
    WHERE ($5::text IS NULL OR r.model = $5) AND ($6::text IS NULL OR r.prompt_id = $6)
        AND ($7::text IS NULL OR r.prompt_version = $7)
        AND ($8::text IS NULL OR r.properties ? $8 AND ($9::text IS NULL OR r.properties ->> $8 = $9))
)
SELECT
    v.by, v.value, v.within, min(s.created_at) AS first_at, count(*) AS count, (SELECT is_whole FROM size) AS is_exact
FROM seen AS s
CROSS JOIN LATERAL (
    SELECT 'property' AS by, s.properties ->> $4::text AS value, NULL AS within
    UNION ALL
    SELECT 'model', s.model, NULL WHERE $4 IS NULL
    UNION ALL
    SELECT 'prompt_version', s.prompt_version, s.prompt_id WHERE $4 IS NULL
) AS v
WHERE v.value IS NOT NULL
GROUP BY v.by, v.value, v.within
ORDER BY first_at, v.value

-- name: refine
-- The first use, in the time $2 up to where it was first seen, of each of the values $10 of the kinds $11, within $12,
-- first seen at $13.
SELECT
    (
        SELECT r.created_at
        FROM request AS r
        WHERE r.organization_id = $1 AND r.created_at >= w.seen_at - $3::interval AND r.created_at >= $2
            AND r.created_at <= w.seen_at
            AND CASE w.by
                WHEN 'model' THEN r.model = w.value
                WHEN 'property' THEN r.properties ->> $4::text = w.value
                ELSE r.prompt_version = w.value AND r.prompt_id IS NOT DISTINCT FROM w.within
            END
            AND ($5::text IS NULL OR r.model = $5) AND ($6::text IS NULL OR r.prompt_id = $6)
            AND ($7::text IS NULL OR r.prompt_version = $7)
            AND ($8::text IS NULL OR r.properties ? $8 AND ($9::text IS NULL OR r.properties ->> $8 = $9))
        ORDER BY r.created_at
        LIMIT 1
    ) AS first_at
FROM unnest($10::text[], $11::text[], $12::text[], $13::timestamptz[])
    WITH ORDINALITY AS w (value, by, within, seen_at, number)
ORDER BY w.number
