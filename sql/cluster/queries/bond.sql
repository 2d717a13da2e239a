-- The triggers and keys between tables, and the numbers of their rows (`store/cluster/bonds.py`).

-- name: has_trigger
SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = $2)

-- name: has_key
SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2)

-- name: delete_ownerless
DELETE FROM /* table */ request /* end */ AS t
WHERE NOT EXISTS (SELECT FROM organization AS o WHERE o.id = t.organization_id)

-- name: list_identified
-- On a cluster, rows without a primary key are told apart by all columns (distribution.sql).
SELECT format('ALTER TABLE %s REPLICA IDENTITY DEFAULT', oid::regclass)
FROM pg_class
WHERE oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS t (name)) AND relreplident = 'f'

-- name: list_numbered
-- The columns that a sequence fills.
SELECT c.oid::regclass::text AS "table", a.attname::text AS "column", pg_get_serial_sequence(c.oid::regclass::text, a.attname)
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attidentity <> '' AND NOT a.attisdropped
WHERE c.oid = ANY (SELECT to_regclass(name) FROM unnest($1::text[]) AS t (name))
ORDER BY 1

-- name: advance_sequence
SELECT setval($1::text::regclass, m.highest)
FROM (SELECT max(/* column */ request_no /* end */) AS highest FROM /* table */ request /* end */) AS m
WHERE m.highest > (
    SELECT coalesce(last_value, 0) FROM pg_sequences
    WHERE format('%I.%I', schemaname, sequencename)::regclass = $1::text::regclass
)
