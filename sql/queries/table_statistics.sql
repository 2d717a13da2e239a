-- Statistics of tables, which PostgreSQL plans with.

-- name: limit_waiting
SELECT set_config('lock_timeout', '2s', true)

-- name: is_large
-- Whether $1 new scores are more than a twentieth of all that were there at the last count (-1: there was none).
SELECT $1::bigint > 0.05 * reltuples FROM pg_class WHERE oid = 'score'::regclass

-- name: analyze
ANALYZE request, score
