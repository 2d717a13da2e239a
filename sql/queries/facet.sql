-- The values by which requests can be grouped.

-- name: find
-- By field, the $5 most frequent values among the newest $4 requests; to read all requests would take as long as the
-- statistics themselves.
WITH newest AS (
    SELECT r.model, r.provider, r.prompt_id, r.prompt_version, r.user_id, r.properties
    FROM request AS r
    WHERE r.organization_id = $1 AND r.created_at >= $2 AND r.created_at < $3
    ORDER BY r.created_at DESC
    LIMIT $4
),
counted AS (
    SELECT
        f.field, f.value, count(*) AS count,
        row_number() OVER (PARTITION BY f.field ORDER BY count(*) DESC, f.value) AS rank
    FROM newest AS r
    CROSS JOIN LATERAL (
        VALUES
            ('model', r.model), ('provider', r.provider), ('prompt_id', r.prompt_id),
            ('prompt_version', r.prompt_version), ('user_id', r.user_id)
        UNION ALL
        SELECT 'property:' || p.key, p.value FROM jsonb_each_text(r.properties) AS p
    ) AS f (field, value)
    WHERE length(f.value) BETWEEN 1 AND 255
    GROUP BY f.field, f.value
)
SELECT field, value
FROM counted
WHERE rank <= $5
ORDER BY field, rank
