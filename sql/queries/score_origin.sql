-- Where scores come from.

-- name: add
INSERT INTO score_origin (organization_id, kind, name, version, call, restored_by)
SELECT $1, o.kind, o.name, o.version, o.call, o.restored_by
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS o (kind, name, version, call, restored_by)
ORDER BY o.kind, o.name, o.version, o.call, o.restored_by
ON CONFLICT ON CONSTRAINT score_origin_key DO NOTHING

-- name: find
SELECT o.kind, o.name, o.version, o.call, o.restored_by, o.id
FROM score_origin AS o
JOIN unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) AS g (kind, name, version, call, restored_by)
    USING (kind, name, version, call, restored_by)
WHERE o.organization_id = $1
