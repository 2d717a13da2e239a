-- Scores of which a human's value stays. Their requests are locked.

-- name: find_human_scores
-- runs on the node of $1
SELECT r.organization_id, r.request_id, s.name_id
FROM unnest($1::integer[], $2::text[], $3::text::integer[]) AS g (organization_id, request_id, name_id)
JOIN request AS r ON r.organization_id = g.organization_id AND r.request_id = g.request_id
JOIN score AS s
    ON s.request_no = r.request_no AND s.organization_id = r.organization_id AND s.name_id = g.name_id
JOIN score_origin AS o ON o.organization_id = r.organization_id AND o.id = s.origin_id
WHERE o.kind = 'human'

-- name: keep_aside
-- runs on the node of $1
WITH given AS (
    SELECT r.request_no, r.organization_id, g.name_id, g.value, nullif(g.is_boolean, false) AS is_boolean, g.origin_id,
        g.comment, g.scored_at
    FROM unnest(
        $1::integer[], $2::text[], $3::text::integer[], $4::text::bigint[], $5::text::boolean[], $6::text::integer[],
        $7::timestamptz[], $8::text[]
    ) AS g (organization_id, request_id, name_id, value, is_boolean, origin_id, scored_at, comment)
    JOIN request AS r ON r.organization_id = g.organization_id AND r.request_id = g.request_id
),
kept AS (
    INSERT INTO score_history (
        value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean, is_aside
    )
    SELECT value, request_no, scored_at, organization_id, name_id, origin_id, is_boolean, true
    FROM given
)
INSERT INTO score_comment (request_no, scored_at, organization_id, name_id, comment)
SELECT request_no, scored_at, organization_id, name_id, comment FROM given WHERE comment IS NOT NULL
