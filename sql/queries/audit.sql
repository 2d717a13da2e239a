-- The audit: who did what. Entries about keys are written in key.sql, by the statements that change them.

-- name: note
INSERT INTO audit_entry (organization_id, actor, key_id, person, action, subject, numbers)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb)
RETURNING id

-- name: add
-- Adds to the numbers of an entry. Nothing where its transaction was rolled back.
UPDATE audit_entry AS a
SET numbers = (
    SELECT jsonb_object_agg(n.key, n.value::bigint + coalesce((a.numbers ->> n.key)::bigint, 0))
    FROM jsonb_each_text($3::text::jsonb) AS n
)
WHERE a.organization_id = $1 AND a.id = $2
RETURNING a.id

-- name: list
-- Of an organization (null: of all), with what concerns all of them; the newest first, those before the id $2 and from $3 on.
SELECT a.id, a.happened_at AS at, o.name AS organization, a.actor, a.key_id, a.person, a.action,
    a.subject::text AS subject, a.numbers::text AS numbers
FROM audit_entry AS a
LEFT JOIN organization AS o ON o.id = a.organization_id
WHERE ($1::integer IS NULL OR a.organization_id = $1 OR a.organization_id IS NULL)
    AND ($2::bigint IS NULL OR a.id < $2) AND ($3::timestamptz IS NULL OR a.happened_at >= $3)
ORDER BY a.id DESC
LIMIT $4
