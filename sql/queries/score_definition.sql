-- Definitions of scores.

-- name: list
SELECT
    name, type, min_value AS min, max_value AS max, direction, unit, description, labels::text AS labels, enforce,
    precedence, scale, version
FROM score_definition
WHERE organization_id = $1
ORDER BY name

-- name: find_version
-- Two that are equal mean equal definitions: a definition that is added or changed gets the highest number, and one that
-- is removed leaves fewer. Writers take turns (lock), so the numbers rise in the order of the commits.
SELECT count(*) AS count, coalesce(max(version), 0) AS newest FROM score_definition WHERE organization_id = $1

-- name: find
SELECT
    name, type, min_value AS min, max_value AS max, direction, unit, description, labels::text AS labels, enforce,
    precedence, scale
FROM score_definition
WHERE organization_id = $1 AND name = $2

-- name: lock
-- NO KEY: posts that add a name share a lock on the key of this row, and need not wait.
SELECT FROM organization WHERE id = $1 FOR NO KEY UPDATE

-- name: count_others
SELECT count(*) FROM score_definition WHERE organization_id = $1 AND name <> $2

-- name: set
INSERT INTO score_definition (
    organization_id, name, type, min_value, max_value, direction, unit, description, labels, enforce, precedence,
    scale, version
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11, $12, nextval('score_definition_version_seq')
)
ON CONFLICT ON CONSTRAINT score_definition_pkey
DO UPDATE SET
    version = excluded.version, type = excluded.type, min_value = excluded.min_value, max_value = excluded.max_value,
    direction = excluded.direction, unit = excluded.unit, description = excluded.description,
    labels = excluded.labels, enforce = excluded.enforce, precedence = excluded.precedence, scale = excluded.scale

-- name: remove
DELETE FROM score_definition WHERE organization_id = $1 AND name = $2 RETURNING name

-- name: count_breaches
-- The stored values of the name $2 by what a definition says of them, null: nothing. The rule is that of
-- domain.score_definition.find_breach: booleans ($3) or not, one of the labels $4 (null: any value), from $5 to $6.
SELECT b.kind, count(*) AS count
FROM score AS s
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN (s.is_boolean IS NOT NULL) <> $3::boolean THEN 'wrong_type'
        WHEN s.value <> ALL ($4::bigint[]) THEN 'not_a_label'
        WHEN s.value < $5::bigint THEN 'too_low'
        WHEN s.value > $6::bigint THEN 'too_high'
    END AS kind
) AS b
WHERE s.organization_id = $1 AND s.name_id = $2
GROUP BY b.kind

-- name: find_worst
-- By the same rule, the $7 values that are farthest outside of the bounds, then the newest others.
SELECT r.request_id, w.value, w.is_boolean, w.kind
FROM (
    SELECT
        s.organization_id, s.request_no, s.value, s.is_boolean IS NOT NULL AS is_boolean, s.request_created_at, b.kind,
        -- numeric: the difference of two bigints may not be one.
        CASE b.kind
            WHEN 'too_low' THEN $5::numeric - s.value
            WHEN 'too_high' THEN s.value - $6::numeric
            ELSE 0
        END AS distance
    FROM score AS s
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN (s.is_boolean IS NOT NULL) <> $3::boolean THEN 'wrong_type'
            WHEN s.value <> ALL ($4::bigint[]) THEN 'not_a_label'
            WHEN s.value < $5::bigint THEN 'too_low'
            WHEN s.value > $6::bigint THEN 'too_high'
        END AS kind
    ) AS b
    WHERE s.organization_id = $1 AND s.name_id = $2 AND b.kind IS NOT NULL
    ORDER BY distance DESC, s.request_created_at DESC, s.request_no DESC
    LIMIT $7
) AS w
JOIN request AS r ON r.organization_id = $1 AND r.request_no = w.request_no
ORDER BY w.distance DESC, w.request_created_at DESC, w.request_no DESC
