-- Work on many requests in steps: in order of their numbers, each step with its requests locked.

-- name: step
-- The highest number of the next $2 requests after $1, of whatever organization: in the index, those of one organization
-- may lie far apart, and this is to take the same time everywhere.
SELECT max(request_no)
FROM (SELECT request_no FROM request WHERE request_no > $1 ORDER BY request_no LIMIT $2) AS next

-- name: last
SELECT coalesce(max(request_no), 0) FROM request

-- name: limit_wait
-- For locks, until the transaction ends: less than PostgreSQL's deadlock_timeout, which would end another writer's
-- transaction. (Why not set_config()? See join_by_hash in connection.sql.)
DO $$
BEGIN
    SET LOCAL citus.propagate_set_commands = 'local';
    SET LOCAL lock_timeout = '500ms';
END
$$

-- name: lock
-- In the order of every writer.
SELECT FROM request AS r
WHERE r.request_no = ANY ($2::bigint[]) AND r.organization_id = $1::integer::oid
ORDER BY r.request_id COLLATE "C"
FOR UPDATE
