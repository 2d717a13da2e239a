-- The values by which requests can be grouped.

-- name: find
-- By field, the $5 most frequent values: of all requests of the time, where they are at most $4; else of the newest
-- ones in each of $6 parts of it, so many in all, so that what has ended is found behind newer traffic. To read all would
-- take as long as the statistics themselves. A row without a field where nothing was found.
WITH size AS (
    SELECT count(*) <= $4::integer AS is_whole
    FROM (
        SELECT
        FROM request AS r
        WHERE r.organization_id = $1 AND r.created_at >= $2 AND r.created_at < $3
        ORDER BY r.created_at
        LIMIT $4::integer + 1
    ) AS first
),
part AS (
    SELECT
        $2::timestamptz + ($3::timestamptz - $2) * (n / $6::double precision) AS start,
        CASE WHEN n + 1 < $6 THEN $2 + ($3 - $2) * ((n + 1) / $6::double precision) ELSE $3 END AS end
    FROM generate_series(0, $6::integer - 1) AS n
),
seen AS (
    (
        SELECT r.model, r.provider, r.prompt_id, r.prompt_version, r.user_id, r.properties
        FROM request AS r
        WHERE (SELECT is_whole FROM size)
            AND r.organization_id = $1 AND r.created_at >= $2 AND r.created_at < $3
        ORDER BY r.created_at
        LIMIT $4
    )
    UNION ALL
    SELECT r.model, r.provider, r.prompt_id, r.prompt_version, r.user_id, r.properties
    FROM part AS p
    CROSS JOIN LATERAL (
        SELECT r.model, r.provider, r.prompt_id, r.prompt_version, r.user_id, r.properties
        FROM request AS r
        WHERE r.organization_id = $1 AND r.created_at >= p.start AND r.created_at < p.end
        ORDER BY r.created_at DESC
        LIMIT $4 / $6
    ) AS r
    WHERE NOT (SELECT is_whole FROM size)
),
counted AS (
    SELECT
        f.field, f.value, count(*) AS count,
        row_number() OVER (PARTITION BY f.field ORDER BY count(*) DESC, f.value) AS rank
    FROM seen AS r
    CROSS JOIN LATERAL (
        VALUES
            ('model', r.model), ('provider', r.provider), ('prompt_id', r.prompt_id),
            ('prompt_version', r.prompt_version), ('user_id', r.user_id),
            -- Versions of different prompts have nothing to do with each other.
            ('version:' || r.prompt_id, r.prompt_version)
        UNION ALL
        SELECT 'property:' || p.key, p.value FROM jsonb_each_text(r.properties) AS p
    ) AS f (field, value)
    WHERE f.field IS NOT NULL AND length(f.value) BETWEEN 1 AND 255
    GROUP BY f.field, f.value
)
SELECT s.is_whole, c.field, c.value
FROM size AS s
LEFT JOIN counted AS c ON c.rank <= $5
ORDER BY c.field, c.rank
