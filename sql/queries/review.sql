-- Scores as a reviewer sees and gives them.

-- name: scores
SELECT n.name, s.value, s.is_boolean IS NOT NULL AS is_boolean
FROM request AS r
JOIN score AS s ON s.organization_id = r.organization_id AND s.request_no = r.request_no
JOIN score_name AS n ON n.id = s.name_id
WHERE r.organization_id = $1 AND r.request_id = $2
ORDER BY n.name

-- name: kinds
-- What a name is used for: its newest score tells. One step into an index a name.
SELECT n.name, newest.is_boolean IS NOT NULL AS is_boolean
FROM score_name AS n
CROSS JOIN LATERAL (
    SELECT s.is_boolean
    FROM score AS s
    WHERE s.organization_id = n.organization_id AND s.name_id = n.id
    ORDER BY s.request_created_at DESC
    LIMIT 1
) AS newest
WHERE n.organization_id = $1
ORDER BY n.name
LIMIT $2
