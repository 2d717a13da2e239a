-- How much an organization holds.

-- name: count_requests
-- From $2 (null: ever) up to and without $3. Read from the index alone, where VACUUM has been.
SELECT count(*)
FROM request AS r
WHERE r.organization_id = $1 AND r.created_at < $3 AND ($2::timestamptz IS NULL OR r.created_at >= $2)

-- name: measure_rows
-- Bytes of a request and of a score on average over all organizations, with indexes and history; null before the tables
-- were first counted.
SELECT
    pg_total_relation_size('request') / nullif(greatest(request.reltuples, 0), 0)::double precision AS request_bytes,
    (
        pg_total_relation_size('score') + pg_total_relation_size('score_history') + pg_total_relation_size('score_comment')
    ) / nullif(greatest(score.reltuples, 0), 0)::double precision AS score_bytes
FROM pg_class AS request, pg_class AS score
WHERE request.oid = 'request'::regclass AND score.oid = 'score'::regclass

-- name: measure_database
SELECT current_database()::text AS name, pg_database_size(current_database()) AS bytes
